"""The splunkHec sink against a server that is strict about the protocol: events, refusals, acknowledgements."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from cloudtrail_collector.adapters.sinks.splunk_hec import SplunkHecSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import read_envelopes
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkSpec
from integration.http_stand_in import Received, Reply
from integration.splunk_server import TOKEN, SplunkServer, say
from support.secret_folder import SecretFolder, refer_to

LINES = [f'{{"eventTime":"2026-11-20T10:00:{n:02}Z","eventID":"{n}", "n":1.0}}'.encode() for n in range(20)]
ALL = [str(number) for number in range(20)]


@pytest.fixture
def secrets(secrets: SecretFolder) -> SecretFolder:
    secrets.write("splunk", "token", TOKEN.encode())
    return secrets


@pytest.fixture
def server() -> Iterator[SplunkServer]:
    with SplunkServer() as running:
        yield running


def build_sink(server: SplunkServer, secrets: SecretFolder, timeout_seconds: int = 20, **hec: Any) -> SplunkHecSink:
    hec = {"url": server.url, "token": refer_to("splunk", "token")} | hec
    spec = {"name": "splunk", "timeoutSeconds": timeout_seconds, "splunkHec": hec}
    return SplunkHecSink(SinkSpec.model_validate(spec), secrets.files)


def build_batch(lines: list[bytes] = LINES) -> Batch:
    return Batch(b"".join(line + b"\n" for line in lines), len(lines), read_envelopes(lines))


def fail(sink: SplunkHecSink, lines: list[bytes] = LINES) -> SinkError:
    with closing(sink), pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(lines))
    return caught.value


def test_events_arrive_as_they_are_each_with_its_own_time(server: SplunkServer, secrets: SecretFolder) -> None:
    with closing(build_sink(server, secrets, index="main", source='my "trail"')) as sink:
        assert sink.deliver(build_batch()) == []
    [request] = server.requests
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["X-Splunk-Request-Channel"] is None
    assert all(b'"event":' + line + b"}" in request.body for line in LINES)
    assert server.indexed[3] == {
        "time": 1795168803.0,
        "sourcetype": "aws:cloudtrail",
        "source": 'my "trail"',
        "index": "main",
        "event": json.loads(LINES[3]),
    }
    assert server.read_ids() == ALL


def test_an_event_without_a_time_that_can_be_read_has_none(server: SplunkServer, secrets: SecretFolder) -> None:
    lines = [b'{"eventTime":"yesterday"}', b'{"eventTime":"2026-11-20T10:00:00.1239Z"}', b'{"eventTime":7}']
    with closing(build_sink(server, secrets, compression="None")) as sink:
        sink.deliver(build_batch(lines))
    assert [one.get("time") for one in server.indexed] == [None, 1795168800.123, None]
    assert server.requests[0].headers["Content-Encoding"] is None


def test_a_new_token_is_used_without_a_restart(server: SplunkServer, secrets: SecretFolder) -> None:
    with closing(build_sink(server, secrets)) as sink:
        server.collector.token = "new"
        with pytest.raises(SinkError, match="Splunk does not know the token"):
            sink.deliver(build_batch())
        secrets.write("splunk", "token", b"new")
        assert sink.deliver(build_batch()) == []
    assert server.read_ids() == ALL


def test_a_missing_token_is_named(server: SplunkServer, secrets: SecretFolder) -> None:
    error = fail(build_sink(server, secrets, token=refer_to("splunk", "absent")))
    assert error.reason is Reason.SINK_MISCONFIGURED
    assert "Secret splunk has no key absent" in error.message
    assert server.requests == []


@pytest.mark.parametrize("keeps_earlier", [True, False])
@pytest.mark.parametrize("invalid", [{"0"}, {"7"}, {"19"}, {"3", "4", "18"}])
def test_invalid_events_are_rejected_and_all_others_arrive(
    server: SplunkServer, secrets: SecretFolder, invalid: set[str], keeps_earlier: bool
) -> None:
    server.collector.is_invalid = lambda event: event["eventID"] in invalid
    server.collector.keeps_earlier = keeps_earlier
    with closing(build_sink(server, secrets)) as sink:
        rejections = sink.deliver(build_batch())
    assert {str(one.index) for one in rejections} == invalid
    assert {(one.code, one.message) for one in rejections} == {("400", "Invalid data format")}
    assert set(server.read_ids()) == set(ALL) - invalid
    if not keeps_earlier:
        assert max(Counter(server.read_ids()).values()) == 1


def test_a_sink_that_refuses_every_event_makes_no_dead_letters(server: SplunkServer, secrets: SecretFolder) -> None:
    server.collector.is_invalid = lambda _: True
    error = fail(build_sink(server, secrets))
    assert error.reason is Reason.SINK_REJECTED
    assert "rather the sink's settings" in error.message


def test_a_request_that_is_too_large_goes_in_parts(server: SplunkServer, secrets: SecretFolder) -> None:
    server.collector.max_bytes = 500
    large = b'{"eventID":"large","filler":"%s"}' % (b"x" * 500)
    with closing(build_sink(server, secrets)) as sink:
        rejections = sink.deliver(build_batch([*LINES[:5], large, *LINES[5:]]))
    assert [(one.index, one.code) for one in rejections] == [(5, "413")]
    assert server.read_ids() == ALL


def test_an_index_that_the_token_may_not_use_is_the_settings_fault(server: SplunkServer, secrets: SecretFolder) -> None:
    error = fail(build_sink(server, secrets, index="elsewhere"))
    assert error.reason is Reason.SINK_MISCONFIGURED
    assert error.message.endswith("the token may not write to the index, or there is none of that name")
    assert len(server.requests) == 1


def test_a_busy_server_says_when_to_come_again(server: SplunkServer, secrets: SecretFolder) -> None:
    busy = say(503, 9, "Server is busy")
    server.collector.faults = [Reply(busy.status, busy.body, {"Retry-After": "7"})]
    error = fail(build_sink(server, secrets))
    assert (error.reason, error.code, error.retry_after) == (Reason.SINK_REJECTED, "503", 7)
    assert error.message.endswith("is not available now (503 Service Unavailable): Server is busy")


def test_a_failure_under_status_200_is_one(server: SplunkServer, secrets: SecretFolder) -> None:
    server.collector.faults = [say(200, 8, "Internal server error")]
    assert "Internal server error (code 8)" in fail(build_sink(server, secrets)).message


def test_a_refusal_that_is_not_of_splunk_rejects_no_event(server: SplunkServer, secrets: SecretFolder) -> None:
    server.collector.faults = [Reply(400, b"Client sent an HTTP request to an HTTPS server.\n")]
    error = fail(build_sink(server, secrets))
    assert error.code == "400"
    assert "HTTP request to an HTTPS server" in error.message


def test_a_connection_that_breaks_is_a_failure_of_the_whole_batch(server: SplunkServer, secrets: SecretFolder) -> None:
    server.collector.faults = [ConnectionResetError()]
    error = fail(build_sink(server, secrets))
    assert error.reason is Reason.SINK_UNREACHABLE
    assert "closed the connection before it had answered" in error.message


class TestAcknowledgement:
    """What counts is what the indexers say."""

    @pytest.fixture(autouse=True)
    def acknowledges(self, server: SplunkServer) -> None:
        server.collector.acknowledges = True

    def test_a_batch_is_accepted_when_it_is_acknowledged(self, server: SplunkServer, secrets: SecretFolder) -> None:
        server.collector.polls_until_ack = 3
        with closing(build_sink(server, secrets, acknowledge=True)) as sink:
            assert sink.deliver(build_batch()) == []
        assert server.polls == [[0], [0], [0]]
        [channel] = {one.headers["X-Splunk-Request-Channel"] for one in server.requests}
        assert uuid.UUID(channel).version == 4

    def test_parts_of_a_batch_are_all_waited_for(self, server: SplunkServer, secrets: SecretFolder) -> None:
        server.collector.is_invalid = lambda event: event["eventID"] == "5"
        with closing(build_sink(server, secrets, acknowledge=True)) as sink:
            assert [one.index for one in sink.deliver(build_batch())] == [5]
        [asked] = server.polls
        assert len(asked) > 1
        assert set(server.read_ids()) == set(ALL) - {"5"}

    def test_an_acknowledgement_that_never_comes_is_a_timeout(
        self, server: SplunkServer, secrets: SecretFolder
    ) -> None:
        server.collector.polls_until_ack = None
        error = fail(build_sink(server, secrets, timeout_seconds=1, acknowledge=True))
        assert (error.reason, error.code) == (Reason.SINK_UNREACHABLE, ACK_TIMEOUT)
        assert error.message.endswith("have not acknowledged the batch within 1 s")

    def test_a_timeout_says_why_nobody_could_be_asked(self, server: SplunkServer, secrets: SecretFolder) -> None:
        taken = Reply(200, b'{"text":"Success","code":0,"ackId":0}')
        server.collector.faults = [taken, *[say(503, 9, "Server is busy")] * 9]
        error = fail(build_sink(server, secrets, timeout_seconds=2, acknowledge=True))
        assert error.code == ACK_TIMEOUT
        assert "Server is busy" in error.message

    def test_a_question_that_fails_is_asked_again(self, server: SplunkServer, secrets: SecretFolder) -> None:
        with closing(build_sink(server, secrets, acknowledge=True)) as sink:
            sink.deliver(build_batch())
            taken = Reply(200, b'{"text":"Success","code":0,"ackId":0}')
            server.collector.polls_until_ack = 2
            server.collector.faults = [taken, Reply(502, b"bad gateway"), Reply(200, b"<html>")]
            assert sink.deliver(build_batch()) == []

    def test_many_batches_share_a_question(self, server: SplunkServer, secrets: SecretFolder) -> None:
        together = threading.Barrier(6)
        take = server.decide

        def take_together(request: Received) -> Reply:
            reply = take(request)
            if request.target.endswith("/event"):
                together.wait(timeout=20)
            return reply

        server.decide = take_together
        with closing(build_sink(server, secrets, acknowledge=True)) as sink, ThreadPoolExecutor(6) as threads:
            results = list(threads.map(sink.deliver, [build_batch([line]) for line in LINES[:6]]))
        assert results == [[]] * 6
        assert sorted(ack_id for asked in server.polls for ack_id in asked) == list(range(6))
        assert len(server.polls) < 6

    def test_the_indexer_behind_a_load_balancer_is_found_by_its_cookie(
        self, server: SplunkServer, secrets: SecretFolder
    ) -> None:
        server.collector.indexers = 3
        with closing(build_sink(server, secrets, acknowledge=True)) as sink, ThreadPoolExecutor(6) as threads:
            results = list(threads.map(sink.deliver, [build_batch([line]) for line in LINES[:6]]))
        assert results == [[]] * 6
        asked = {one.headers["Cookie"] for one in server.requests if "/ack" in one.target}
        assert asked == {"route=0", "route=1", "route=2"}

    def test_ids_of_several_indexers_are_not_mixed_up(self, server: SplunkServer, secrets: SecretFolder) -> None:
        """Without a cookie an id may be asked of the wrong indexer, which has another batch of that id."""
        server.collector.indexers, server.collector.is_sticky = 2, False
        server.collector.is_invalid = lambda event: event["eventID"] == "0"
        error = fail(build_sink(server, secrets, acknowledge=True))
        assert error.reason is Reason.SINK_MISCONFIGURED
        assert "sticky sessions" in error.message
        assert server.polls == []

    def test_two_batches_with_one_id_both_fail(self, server: SplunkServer, secrets: SecretFolder) -> None:
        server.collector.indexers, server.collector.is_sticky = 2, False
        server.collector.polls_until_ack = None
        with closing(build_sink(server, secrets, acknowledge=True)) as sink, ThreadPoolExecutor(2) as threads:
            tasks = [threads.submit(sink.deliver, build_batch([line])) for line in LINES[:2]]
            errors = [task.exception() for task in tasks]
        assert all(isinstance(error, SinkError) and "sticky sessions" in error.message for error in errors)

    @pytest.mark.parametrize(
        ("collector", "sink", "words"),
        [(True, False, "set acknowledge to true"), (False, True, "no acknowledgement id came back")],
    )
    def test_settings_that_do_not_fit_are_named(
        self, server: SplunkServer, secrets: SecretFolder, collector: bool, sink: bool, words: str
    ) -> None:
        server.collector.acknowledges = collector
        error = fail(build_sink(server, secrets, acknowledge=sink))
        assert error.reason is Reason.SINK_MISCONFIGURED
        assert words in error.message

    def test_acknowledgement_switched_off_meanwhile_is_named(self, server: SplunkServer, secrets: SecretFolder) -> None:
        server.collector.acknowledges = False
        server.collector.faults = [Reply(200, b'{"text":"Success","code":0,"ackId":0}')]
        error = fail(build_sink(server, secrets, timeout_seconds=2, acknowledge=True))
        assert error.code == ACK_TIMEOUT
        assert "switched off" in error.message
