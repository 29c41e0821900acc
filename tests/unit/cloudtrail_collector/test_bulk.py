"""Bulk requests and what their answers say, and the search for events that a server refuses."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.adapters.sinks.halving import SUSPICIOUS, Refusal, find_refused
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.core.sinks.bulk import (
    Fate,
    UnreadableAnswerError,
    build_bulk_body,
    find_index,
    read_bulk_answer,
    read_failure,
)
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TODAY = "2026-11-21T12:00:00Z"


@given(st.lists(st.tuples(st.none() | st.text(st.characters(codec="utf-8"), max_size=600), st.integers())))
def test_each_event_has_its_action_before_it(events: list[tuple[str | None, int]]) -> None:
    lines = [json.dumps({"n": number}).encode() for _, number in events]
    envelopes = [Envelope(event_id=identifier) for identifier, _ in events]
    batch = Batch(b"".join(line + b"\n" for line in lines), len(lines), envelopes)
    written = build_bulk_body(batch, "create", "cloudtrail", NOW).split(b"\n")
    assert written.pop() == b""
    assert written[1::2] == lines
    for (identifier, _), action in zip(events, map(json.loads, written[::2]), strict=True):
        assert action["create"].pop("_index") == "cloudtrail"
        if not identifier:
            assert action == {"create": {}}
        elif len(identifier.encode()) <= 512:
            assert action == {"create": {"_id": identifier}}
        else:
            assert len(action["create"]["_id"]) == 64


@pytest.mark.parametrize(
    ("index", "event_time", "name"),
    [
        ("cloudtrail", "2026-01-31T00:00:00Z", "cloudtrail"),
        ("ct-{date}", "2026-01-31T00:00:00Z", "ct-2026.01.31"),
        ("ct-{month}", "2026-01-31T00:00:00.123Z", "ct-2026.01"),
        ("{year}", "2026-01-01T00:30:00+01:00", "2025"),
        ("{date}", "2026-01-01T00:30:00", "2026.01.01"),
        ("{date}", "2026-13-01T00:30:00Z", "2026.11.21"),
        ("{date}", "0001-01-01T00:30:00+01:00", "2026.11.21"),
        ("{date}", "1767225600", "2026.11.21"),
        ("{date}", "../../x", "2026.11.21"),
    ],
)
def test_an_index_is_named_by_the_day_of_the_event(index: str, event_time: str, name: str) -> None:
    assert find_index(index, event_time, TODAY) == name


def _read(operation: str, status: int, error: object = None) -> Fate:
    item = {operation: {"status": status} | ({} if error is None else {"error": error})}
    outcomes = read_bulk_answer(json.dumps({"errors": True, "items": [item]}).encode(), 1)
    assert outcomes is not None
    return outcomes[0].fate


@pytest.mark.parametrize(
    ("operation", "status", "kind", "reason", "fate"),
    [
        ("create", 409, "version_conflict_engine_exception", "document already exists", Fate.ACCEPTED),
        ("index", 409, "version_conflict_engine_exception", "required seqNo", Fate.BUSY),
        ("create", 429, "es_rejected_execution_exception", "rejected", Fate.BUSY),
        ("create", 429, "circuit_breaking_exception", "Data too large", Fate.BUSY),
        ("create", 503, "unavailable_shards_exception", "primary shard is not active", Fate.BUSY),
        ("create", 400, "mapper_parsing_exception", "failed to parse", Fate.REFUSED),
        ("create", 400, "illegal_argument_exception", "Document contains at least one immense term", Fate.REFUSED),
        ("create", 413, "", "too large", Fate.REFUSED),
        ("create", 400, "index_closed_exception", "closed", Fate.BLOCKED),
        ("create", 400, "illegal_argument_exception", "pipeline with id [x] does not exist", Fate.BLOCKED),
        ("create", 403, "cluster_block_exception", "index read-only / allow delete (api)", Fate.BLOCKED),
        ("create", 403, "some_new_exception", "no", Fate.BLOCKED),
    ],
)
def test_an_error_is_about_the_event_the_moment_or_the_index(
    operation: str, status: int, kind: str, reason: str, fate: Fate
) -> None:
    assert _read(operation, status, {"type": kind, "reason": reason}) is fate


def test_an_error_tells_its_cause() -> None:
    error = {"type": "a_exception", "reason": "failed", "caused_by": {"type": "b", "reason": "For input: x"}}
    body = json.dumps({"errors": True, "items": [{"index": {"status": 400, "error": error}}]}).encode()
    outcomes = read_bulk_answer(body, 1)
    assert outcomes is not None
    assert outcomes[0].message == "a_exception: failed (For input: x)"
    assert _read("index", 400, "a text") is Fate.REFUSED
    assert _read("index", 200) is Fate.ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"errors":true}',
        b'{"errors":true,"items":[{}]}',
        b'{"errors":true,"items":[{"create":{}}]}',
    ],
)
def test_an_answer_that_does_not_cover_every_event_is_none(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        read_bulk_answer(body, 1)


def test_an_answer_without_errors_accepts_all() -> None:
    assert read_bulk_answer(b'{"errors":false,"took":3}', 5) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"type":"a","reason":"b"},"status":400}', "a: b"),
        (b'{"error":"no handler"}', "no handler"),
        (b'{"error":{}}', None),
        (b"Unauthorized", None),
    ],
)
def test_why_a_request_was_refused_is_read_where_it_is_said(body: bytes, said: str | None) -> None:
    assert read_failure(body) == said


def _fail(refusal: Refusal) -> SinkError:
    return SinkError("siem", Reason.SINK_REJECTED, refusal.code, refusal.message)


@given(st.integers(1, 70), st.data())
def test_exactly_the_bad_events_are_found_whatever_else_a_request_holds(count: int, data: st.DataObject) -> None:
    refused = data.draw(st.sets(st.integers(0, count - 1)), "refused with their whole request")
    rejected = data.draw(st.sets(st.integers(0, count - 1)), "rejected one by one") - refused
    lines = [str(number).encode() for number in range(count)]
    taken: list[int] = []

    def send(batch: Batch) -> Refusal | Sequence[Rejection]:
        numbers = [int(line) for line in batch.lines()]
        assert [int(one.event_id or "") for one in batch.envelopes] == numbers
        assert batch.count == len(numbers)
        if refused & set(numbers):
            return Refusal("400", "bad")
        taken.extend(number for number in numbers if number not in rejected)
        return [Rejection(index, "409", "no") for index, number in enumerate(numbers) if number in rejected]

    envelopes = [Envelope(event_id=str(number)) for number in range(count)]
    batch = Batch(b"".join(line + b"\n" for line in lines), count, envelopes)
    is_hopeless = count > SUSPICIOUS and refused >= set(range(SUSPICIOUS))
    if is_hopeless:
        with pytest.raises(SinkError):
            find_refused(batch, send, _fail)
        assert taken == []
        return
    rejections = find_refused(batch, send, _fail)
    assert {one.index for one in rejections} == refused | rejected
    assert len(rejections) == len(refused | rejected)
    assert taken == [number for number in range(count) if number not in refused | rejected]
