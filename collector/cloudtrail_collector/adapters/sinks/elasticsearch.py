"""Indexes events in Elasticsearch or OpenSearch by bulk requests; the id is the eventID, so that repeats change nothing.

Without an official client: Elasticsearch's refuses OpenSearch and OpenSearch's Elasticsearch, and what is needed of either
is one POST. That is made over the connections of the other sinks, at a fraction of the CPU.
"""

import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from cloudtrail_collector.adapters.http_connection import Answer
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.halving import SUSPICIOUS, Refusal, find_refused, pick_lines
from cloudtrail_collector.adapters.sinks.http_endpoint import HttpEndpoint, SchemeAuth
from cloudtrail_collector.adapters.sinks.http_failures import clean
from cloudtrail_collector.core.backoff import build_resend_delay
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.sinks.bulk import (
    FILTER_PATH,
    Fate,
    Outcome,
    UnreadableAnswerError,
    build_bulk_body,
    read_bulk_answer,
    read_failure,
)
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sink_http import HttpAuth
from cloudtrail_spec.sink_kinds import ElasticsearchAuth
from cloudtrail_spec.sinks import SinkTarget

REFUSALS = (400, 413)
# 5000 items with long errors; without errors an item takes 30 bytes.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_PAUSE_SECONDS = 5.0


class ElasticsearchSink:
    """What the store is too busy for is sent again; all requests about a batch are over within the sink's timeout."""

    wants_envelopes = True

    def __init__(self, spec: SinkTarget, secrets: SecretFiles) -> None:
        if spec.elasticsearch is None:
            raise ValueError(f"sink {spec.name} is not of the kind elasticsearch")
        self.name = spec.name
        self._spec = spec.elasticsearch
        self._operation = self._spec.operation.value.lower()
        pipeline = f"&pipeline={quote(self._spec.pipeline, safe='')}" if self._spec.pipeline else ""
        self._query = f"filter_path={FILTER_PATH}{pipeline}"
        self._is_closed = threading.Event()
        self._endpoint = HttpEndpoint(
            spec.name,
            self._spec.url,
            timeout_seconds=spec.timeout_seconds,
            tls=self._spec.tls,
            auth=_find_auth(self._spec.auth),
            headers=self._spec.headers,
            secrets=secrets,
        )

    def close(self) -> None:
        """Close the connections, and wait no longer between attempts."""
        self._is_closed.set()
        self._endpoint.close()

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Index the batch; returns the events that the store will never take."""
        deadline = time.monotonic() + self._endpoint.timeout_seconds
        return find_refused(batch, lambda part: self._send(part, deadline), self._fail_all)

    def _send(self, batch: Batch, deadline: float) -> Refusal | Sequence[Rejection]:
        """Send a batch until nothing of it is left that the store is too busy for."""
        left = list(range(batch.count))
        rejections: list[Rejection] = []
        attempt = 1
        while True:
            part = batch if len(left) == batch.count else pick_lines(batch, left)
            answer = self._post(part, deadline)
            if answer.status in REFUSALS and len(left) == batch.count:
                said = read_failure(answer.body) or self._endpoint.quote(answer) or f"status {answer.status}"
                return Refusal(str(answer.status), clean(said.encode()))
            outcomes = self._read(answer, part.count)
            if outcomes is None:
                return rejections
            rejections += self._sort_out(outcomes, left)
            left = [index for index, outcome in zip(left, outcomes, strict=True) if outcome.fate is Fate.BUSY]
            if not left:
                return rejections
            self._pause(attempt, deadline, next(one for one in outcomes if one.fate is Fate.BUSY))
            attempt += 1

    def _post(self, batch: Batch, deadline: float) -> Answer:
        body = build_bulk_body(batch, self._operation, self._spec.index, datetime.now(UTC))
        return self._endpoint.post(
            body,
            "application/x-ndjson",
            path="/_bulk",
            query=self._query,
            compression=self._spec.compression,
            deadline=deadline,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    def _read(self, answer: Answer, count: int) -> list[Outcome] | None:
        if not 200 <= answer.status < 300:
            said = read_failure(answer.body)
            self._endpoint.fail(answer, said=None if said is None else clean(said.encode()))
        try:
            return read_bulk_answer(answer.body, count)
        except UnreadableAnswerError as error:
            message = f"{self._endpoint.host} does not answer like Elasticsearch or OpenSearch: {error}"
            raise SinkError(self.name, Reason.SINK_REJECTED, "UnreadableAnswer", message) from error

    def _sort_out(self, outcomes: Sequence[Outcome], indexes: Sequence[int]) -> list[Rejection]:
        """Return what is refused. Raises SinkError where that is rather the fault of the index than of the events."""
        blocked = next((one for one in outcomes if one.fate is Fate.BLOCKED), None)
        if blocked is not None:
            message = f"{self._endpoint.host} cannot take events: {clean(blocked.message.encode())}"
            raise SinkError(self.name, Reason.SINK_REJECTED, str(blocked.status), message)
        refused = [
            Rejection(index, one.type or str(one.status), clean(one.message.encode()))
            for index, one in zip(indexes, outcomes, strict=True)
            if one.fate is Fate.REFUSED
        ]
        if len(outcomes) > SUSPICIOUS and len(refused) == len(outcomes):
            raise self._fail_all(Refusal(refused[0].code, refused[0].message))
        return refused

    def _pause(self, attempt: int, deadline: float, busy: Outcome) -> None:
        pause = build_resend_delay(attempt, random.random(), wanted=None, cap=MAX_PAUSE_SECONDS)  # noqa: S311
        if time.monotonic() + pause >= deadline or self._is_closed.wait(pause):
            message = (
                f"{self._endpoint.host} was too busy for some events for {self._endpoint.timeout_seconds} s:"
                f" {clean(busy.message.encode())}"
            )
            raise SinkError(self.name, Reason.SINK_REJECTED, str(busy.status), message)

    def _fail_all(self, refusal: Refusal) -> SinkError:
        message = (
            f"{self._endpoint.host} refuses every event: rather the index, its mapping or the sink's settings are wrong than"
            f" the events ({refusal.message})"
        )
        return SinkError(self.name, Reason.SINK_REJECTED, refusal.code, message)


def _find_auth(auth: ElasticsearchAuth | None) -> HttpAuth | SchemeAuth | None:
    if auth is None:
        return None
    if auth.api_key is not None:
        return SchemeAuth("ApiKey", auth.api_key)
    return HttpAuth(bearer=None, basic=auth.basic)
