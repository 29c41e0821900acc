"""POSTs batches to a Splunk HTTP Event Collector, and waits for its indexers where that is wanted.

Splunk refuses a request for one bad event in it: which, is found by halving the batch (why the number that it gives is not
used: `core/sinks/hec_events.py`).
"""

import time
import uuid
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie

import msgspec

from cloudtrail_collector.adapters.http_connection import Answer
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.halving import Refusal, blame_settings, find_refused
from cloudtrail_collector.adapters.sinks.http_endpoint import HttpEndpoint, SchemeAuth
from cloudtrail_collector.adapters.sinks.http_failures import clean
from cloudtrail_collector.adapters.sinks.splunk_acks import AckKey, AckPoller, DuplicateAckError
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.sinks.hec_events import (
    EVENT_CODES,
    HecReply,
    build_framing,
    encode_events,
    read_acks,
    read_reply,
)
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget

EVENT_PATH = "/services/collector/event"
ACK_PATH = "/services/collector/ack"
TOO_LARGE = 413
# A question for acknowledgements that hangs keeps all others waiting.
ASK_SECONDS = 5.0


class SplunkHecSink:
    """One request a batch; all requests about a batch, acknowledgement included, are over within the sink's timeout."""

    wants_envelopes = True

    def __init__(self, spec: SinkTarget, secrets: SecretFiles) -> None:
        hec = spec.splunk_hec
        if hec is None:
            raise ValueError(f"sink {spec.name} is not of the kind splunkHec")
        self.name = spec.name
        self._spec = hec
        self._framing = build_framing(sourcetype=hec.sourcetype, source=hec.source, index=hec.index)
        # Ids are counted for each channel: one of our own, so that nobody else's are taken for ours.
        self._channel = str(uuid.uuid4())
        self._headers = {"X-Splunk-Request-Channel": self._channel} if hec.acknowledge else {}
        self._acks = AckPoller(spec.name, self._ask)
        self._endpoint = HttpEndpoint(
            spec.name,
            hec.url,
            timeout_seconds=spec.timeout_seconds,
            tls=hec.tls,
            auth=SchemeAuth("Splunk", hec.token),
            secrets=secrets,
        )

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """POST the batch, and where it is refused, parts of it; returns the events that are refused by themselves."""
        deadline = time.monotonic() + self._endpoint.timeout_seconds
        keys: list[AckKey] = []
        rejections = find_refused(batch, lambda part: self._send(part, deadline, keys), self._build_failure)
        if keys:
            self._wait(keys, deadline)
        return rejections

    def _send(self, batch: Batch, deadline: float, keys: list[AckKey]) -> Refusal | Sequence[Rejection]:
        answer = self._endpoint.post(
            encode_events(batch, self._framing),
            "application/json",
            path=EVENT_PATH,
            compression=self._spec.compression,
            headers=self._headers,
            deadline=deadline,
        )
        reply = read_reply(answer.body)
        if answer.status == TOO_LARGE or (answer.status == 400 and reply.code in EVENT_CODES):
            return Refusal(str(answer.status), _show(reply) or f"{self._endpoint.host} refuses the event")
        self._check(answer)
        if self._spec.acknowledge:
            if reply.ack_id is None:
                raise self._misconfigured("no acknowledgement id came back; is acknowledgement on for the token?")
            keys.append(AckKey(_read_cookie(answer), reply.ack_id))
        return ()

    def _check(self, answer: Answer) -> None:
        """Raise a SinkError unless Splunk took the request."""
        reply = read_reply(answer.body)
        if reply.setting is not None:
            raise self._misconfigured(reply.setting, code=str(answer.status))
        self._endpoint.raise_for_status(answer, said=_show(reply) or None)
        if reply.code:
            message = f"{self._endpoint.host} failed: {_show(reply)} (code {reply.code})"
            raise SinkError(self.name, Reason.SINK_REJECTED, str(answer.status), message)

    def _wait(self, keys: list[AckKey], deadline: float) -> None:
        host, seconds = self._endpoint.host, self._endpoint.timeout_seconds
        if len(set(keys)) < len(keys):
            raise self._build_ambiguous()
        try:
            missing = self._acks.wait(keys, deadline)
        except DuplicateAckError as error:
            raise self._build_ambiguous() from error
        if missing:
            failure = self._acks.failure
            cause = f" ({failure.message})" if failure is not None else ""
            message = f"the indexers behind {host} have not acknowledged the batch within {seconds} s{cause}"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, message)

    def _ask(self, cookie: str, ack_ids: list[int]) -> set[int]:
        answer = self._endpoint.post(
            msgspec.json.encode({"acks": ack_ids}),
            "application/json",
            path=ACK_PATH,
            query=f"channel={self._channel}",
            headers=self._headers | ({"Cookie": cookie} if cookie else {}),
            deadline=time.monotonic() + min(ASK_SECONDS, self._endpoint.timeout_seconds),
        )
        self._check(answer)
        acknowledged = read_acks(answer.body)
        if acknowledged is None:
            message = f"{self._endpoint.host} does not answer {ACK_PATH} as Splunk does"
            raise SinkError(self.name, Reason.SINK_REJECTED, str(answer.status), message)
        return acknowledged

    def _build_ambiguous(self) -> SinkError:
        return self._misconfigured(
            "an acknowledgement id came twice: an indexer has started anew, or there are several, and the load balancer"
            " before them does not keep a client at one of them (sticky sessions)"
        )

    def _misconfigured(self, said: str, code: str = "Acknowledgement") -> SinkError:
        return SinkError(self.name, Reason.SINK_MISCONFIGURED, code, f"{self._endpoint.host}: {said}")

    def _build_failure(self, refusal: Refusal) -> SinkError:
        return blame_settings(self.name, self._endpoint.host, refusal)


def _show(reply: HecReply) -> str:
    return clean(reply.text.encode("utf-8", "replace"))


def _read_cookie(answer: Answer) -> str:
    """Read what a load balancer wants to hear again, so that it asks the indexer that has the events."""
    pairs = []
    for value in answer.headers.get_all("Set-Cookie", []):
        try:
            cookie = SimpleCookie(value)
        except CookieError:
            continue
        pairs += [f"{name}={morsel.coded_value}" for name, morsel in cookie.items()]
    return "; ".join(pairs)
