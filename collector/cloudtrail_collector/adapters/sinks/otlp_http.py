"""POSTs batches as OpenTelemetry log records (OTLP/HTTP, protobuf).

400, 413 and 422 refuse a request, as does a 2xx that rejects all of its log records: the events at fault are found by
halving the batch. A 2xx that rejects some, without saying which, makes rejections of all (why: `core/sinks/otlp_logs.py`).
"""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.http_connection import Answer
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.halving import Refusal, blame_settings, find_refused
from cloudtrail_collector.adapters.sinks.http_endpoint import HttpEndpoint
from cloudtrail_collector.adapters.sinks.http_failures import clean
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.sinks.otlp_logs import (
    PARTIAL_SUCCESS,
    LogEncoder,
    read_response,
    read_status_message,
    reject_partly,
)
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget

LOGS_PATH = "/v1/logs"
REFUSALS = (400, 413, 422)
CONTENT_TYPE = "application/x-protobuf"


class OtlpHttpSink:
    """One request a batch; all requests about a batch are over within the sink's timeout."""

    wants_envelopes = True

    def __init__(self, spec: SinkTarget, secrets: SecretFiles) -> None:
        otlp = spec.otlp_http
        if otlp is None:
            raise ValueError(f"sink {spec.name} is not of the kind otlpHttp")
        self.name = spec.name
        self._compression = otlp.compression
        self._path = LOGS_PATH if urlsplit(otlp.url).path in ("", "/") else ""
        self._encoder = LogEncoder({one.name: one.value for one in otlp.resource_attributes}, __version__)
        self._endpoint = HttpEndpoint(
            spec.name,
            otlp.url,
            timeout_seconds=spec.timeout_seconds,
            tls=otlp.tls,
            auth=otlp.auth,
            headers=otlp.headers,
            secrets=secrets,
        )

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """POST the batch, and where it is refused, parts of it; returns what is refused, or may be."""
        deadline = time.monotonic() + self._endpoint.timeout_seconds
        return find_refused(batch, lambda part: self._send(part, deadline), self._build_failure)

    def _send(self, batch: Batch, deadline: float) -> Refusal | Sequence[Rejection]:
        answer = self._endpoint.post(
            self._encoder.encode(batch, time.time()),
            CONTENT_TYPE,
            path=self._path,
            compression=self._compression,
            deadline=deadline,
        )
        if answer.status in REFUSALS:
            said = self._explain(answer) if batch.count == 1 else ""
            return Refusal(str(answer.status), said or f"{self._endpoint.host} refuses the event")
        self._endpoint.raise_for_status(answer, said=self._explain(answer))
        return self._read_rejections(answer, batch.count)

    def _read_rejections(self, answer: Answer, count: int) -> Refusal | Sequence[Rejection]:
        partial = read_response(answer.body, answer.headers.get_content_type())
        if partial is None:
            message = f"{self._endpoint.host} does not answer as an OTLP server does: is it at this url?"
            raise SinkError(self.name, Reason.SINK_REJECTED, str(answer.status), message)
        said = clean(partial.error_message.encode())
        if partial.rejected_log_records >= count:
            # Nothing is accepted, so that nothing comes twice when parts are sent.
            return Refusal(PARTIAL_SUCCESS, said or f"{self._endpoint.host} rejects the event")
        return reject_partly(partial.rejected_log_records, count, said)

    def _explain(self, answer: Answer) -> str:
        """Return what the server says of a failure: a protobuf, or whatever something on the way says."""
        if answer.headers.get_content_type() != CONTENT_TYPE:
            return self._endpoint.quote(answer)
        return clean(read_status_message(answer.body).encode())

    def _build_failure(self, refusal: Refusal) -> SinkError:
        return blame_settings(self.name, self._endpoint.host, refusal)
