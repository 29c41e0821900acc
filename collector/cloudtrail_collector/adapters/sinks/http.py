"""POSTs NDJSON; any 2xx accepts the batch."""

from http.client import responses
from urllib.parse import urlsplit

import urllib3

from cloudtrail_collector import __version__
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason

HEADERS = {"Content-Type": "application/x-ndjson", "User-Agent": f"cloudtrail-collector/{__version__}"}


class HttpSink:
    """One request a batch; redirects are not followed, and trying again is left to the queue."""

    def __init__(self, name: str, url: str, timeout_seconds: int, connections: int) -> None:
        self.name = name
        self._url = url
        self._host = urlsplit(url).netloc.rpartition("@")[2]
        self._pool = urllib3.PoolManager(
            maxsize=connections, timeout=urllib3.Timeout(total=timeout_seconds), retries=False, headers=HEADERS
        )

    def deliver(self, batch: Batch) -> None:
        """POST the batch."""
        try:
            response = self._pool.request("POST", self._url, body=batch.payload, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            code = type(error).__name__
            message = f"no answer from {self._host} ({code})"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, code, message) from error
        if not 200 <= response.status < 300:
            message = f"{self._host} answered {response.status} {responses.get(response.status, '')}".rstrip()
            raise SinkError(self.name, Reason.SINK_REJECTED, str(response.status), message)
