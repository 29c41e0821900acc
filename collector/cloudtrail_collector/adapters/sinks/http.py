"""POSTs batches as NDJSON or as a JSON array; any 2xx accepts the batch.

A server says only of a whole request that it is bad (400, 422) or too large (413): which events are at fault is found by
halving the batch. Every other status, redirects too, is a failure of the sink.
"""

import time
from collections.abc import Sequence

from cloudtrail_collector.adapters.http_connection import Answer
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.halving import Refusal, blame_settings, find_refused
from cloudtrail_collector.adapters.sinks.http_endpoint import HttpEndpoint
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.sink_kinds import HttpEncoding
from cloudtrail_spec.sinks import SinkTarget

CONTENT_TYPES = {HttpEncoding.NDJSON: "application/x-ndjson", HttpEncoding.JSON_ARRAY: "application/json"}
REFUSALS = (400, 413, 422)
# What a server says besides its status is at most quoted.
MAX_ANSWER_BYTES = 64 * 1024


class HttpSink:
    """One request a batch; all requests about a batch are over within the sink's timeout."""

    wants_envelopes = False

    def __init__(self, spec: SinkTarget, secrets: SecretFiles) -> None:
        if spec.http is None:
            raise ValueError(f"sink {spec.name} is not of the kind http")
        self.name = spec.name
        self._spec = spec.http
        self._endpoint = HttpEndpoint(
            spec.name,
            spec.http.url,
            timeout_seconds=spec.timeout_seconds,
            tls=spec.http.tls,
            auth=spec.http.auth,
            headers=spec.http.headers,
            secrets=secrets,
        )

    def close(self) -> None:
        """Close the connections; a sink that lives as long as its process need not be closed."""
        self._endpoint.close()

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """POST the batch, and where it is refused, parts of it; returns the events that are refused by themselves."""
        deadline = time.monotonic() + self._endpoint.timeout_seconds
        return find_refused(batch, lambda part: self._send(part, deadline), self._build_failure)

    def _send(self, batch: Batch, deadline: float) -> Refusal | Sequence[Rejection]:
        answer = self._post(batch, deadline)
        if answer.status not in REFUSALS:
            self._endpoint.raise_for_status(answer)
            return ()
        said = self._endpoint.quote(answer) if batch.count == 1 else ""
        return Refusal(str(answer.status), said or f"{self._endpoint.host} refuses the event")

    def _post(self, batch: Batch, deadline: float) -> Answer:
        return self._endpoint.post(
            self._encode(batch),
            CONTENT_TYPES[self._spec.encoding],
            compression=self._spec.compression,
            deadline=deadline,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    def _encode(self, batch: Batch) -> bytes | memoryview:
        if self._spec.encoding is HttpEncoding.NDJSON:
            return batch.payload
        return b"[" + bytes(batch.payload[:-1]).replace(b"\n", b",") + b"]"

    def _build_failure(self, refusal: Refusal) -> SinkError:
        return blame_settings(self.name, self._endpoint.host, refusal)
