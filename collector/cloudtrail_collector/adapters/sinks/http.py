"""POSTs NDJSON; any 2xx accepts the batch."""

import ssl
import time
from http.client import responses
from urllib.parse import urlsplit

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.http_connection import Post, Route, TooLateError
from cloudtrail_collector.adapters.http_pool import FAILURES, HttpPool
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason

# What a sink says besides its status is of no use; more than this ends the connection.
MAX_ANSWER_BYTES = 64 * 1024


class HttpSink:
    """One request a batch; redirects are not followed, and trying again is left to the queue."""

    def __init__(self, name: str, url: str, timeout_seconds: int) -> None:
        self.name = name
        self._timeout_seconds = timeout_seconds
        split = urlsplit(url)
        route = Route(split, ssl.create_default_context() if split.scheme == "https" else None)
        self._host = route.host
        self._headers = {
            "Host": route.host,
            "Content-Type": "application/x-ndjson",
            "User-Agent": f"cloudtrail-collector/{__version__}",
        }
        self._pool = HttpPool(route)

    def close(self) -> None:
        """Close the connections; a sink that lives as long as its process need not be closed."""
        self._pool.close()

    def deliver(self, batch: Batch) -> None:
        """POST the batch; all of the exchange, however the answer trickles, within the sink's timeout."""
        deadline = time.monotonic() + self._timeout_seconds
        try:
            answer = self._pool.post(Post(batch.payload, self._headers, deadline, MAX_ANSWER_BYTES))
        except TooLateError as error:
            message = f"no answer from {self._host} within {self._timeout_seconds} s"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, message) from error
        except FAILURES as error:
            code = type(error).__name__
            message = f"no answer from {self._host} ({code})"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, code, message) from error
        if not 200 <= answer.status < 300:
            message = f"{self._host} answered {answer.status} {responses.get(answer.status, '')}".rstrip()
            raise SinkError(self.name, Reason.SINK_REJECTED, str(answer.status), message)
