"""A server that answers as Splunk documents its HTTP Event Collector, with several indexers behind it and faults to order.

It takes events one behind the other, as JSON only, up to the first invalid one; what came before that is indexed or not, as
a test wishes, for no document says which.
"""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integration.http_stand_in import HttpStandIn, Received, Reply

TOKEN = "b1a2f0c4-0000-4000-8000-000000000000"
KNOWN_MEMBERS = {"time", "host", "source", "sourcetype", "index", "event", "fields"}

Wrapper = dict[str, Any]


@dataclass
class Collector:
    """How the collector is set up. `faults` are answered, or raised, before anything is read, one for each request."""

    token: str = TOKEN
    indexes: tuple[str, ...] = ("main",)
    max_bytes: int = 1024 * 1024
    is_invalid: Callable[[Any], bool] = lambda _: False
    keeps_earlier: bool = True
    acknowledges: bool = False
    polls_until_ack: int | None = 1
    indexers: int = 1
    is_sticky: bool = True
    faults: list[Reply | Exception] = field(default_factory=list)


class SplunkServer(HttpStandIn):
    """A collector; `indexed` is what it has taken, `polls` the ids of every question for acknowledgements."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.collector = Collector()
        self.indexed: list[Wrapper] = []
        self.polls: list[list[int]] = []
        self._lock = threading.Lock()
        self._turns = itertools.count()
        self._ack_ids: Counter[tuple[int, str]] = Counter()
        self._asked: Counter[tuple[int, str, int]] = Counter()

    def read_ids(self) -> list[str]:
        """Read the eventIDs of what was taken, in order."""
        return [one["event"]["eventID"] for one in self.indexed]

    def _answer(self, request: Received) -> Reply:
        with self._lock:
            if self.collector.faults:
                fault = self.collector.faults.pop(0)
                if isinstance(fault, Exception):
                    raise fault
                return fault
            if request.headers["Authorization"] != f"Splunk {self.collector.token}":
                return say(403, 4, "Invalid token")
            url = urlsplit(request.target)
            channel = request.headers["X-Splunk-Request-Channel"]
            match url.path:
                case "/services/collector/event":
                    return self._take(request, channel)
                case "/services/collector/ack":
                    assert parse_qs(url.query) == {"channel": [channel]}
                    return self._acknowledge(request, channel)
                case _:
                    return say(404, 404, "The requested URL was not found on this server.")

    def _take(self, request: Received, channel: str | None) -> Reply:
        assert request.headers["Content-Type"] == "application/json"
        if len(request.body) > self.collector.max_bytes:
            return Reply(413, b"<html>Content-Length is too large</html>", {"Content-Type": "text/html"})
        if self.collector.acknowledges and channel is None:
            return say(400, 10, "Data channel is missing")
        taken: list[Wrapper] = []
        for number, wrapper in enumerate(read_wrappers(request.body)):
            assert wrapper.keys() <= KNOWN_MEMBERS
            if wrapper.get("index", "main") not in self.collector.indexes:
                return say(400, 7, "Incorrect index", number + 1)
            if self.collector.is_invalid(wrapper["event"]):
                self.indexed += taken if self.collector.keeps_earlier else ()
                return say(400, 6, "Invalid data format", number)
            taken.append(wrapper)
        if not taken:
            return say(400, 5, "No data")
        self.indexed += taken
        return self._confirm(request, channel)

    def _confirm(self, request: Received, channel: str | None) -> Reply:
        said: Wrapper = {"text": "Success", "code": 0}
        if not self.collector.acknowledges or channel is None:
            return Reply(200, json.dumps(said).encode())
        indexer = self._choose(request)
        said["ackId"] = self._ack_ids[indexer, channel]
        self._ack_ids[indexer, channel] += 1
        cookies = {"Set-Cookie": f"route={indexer}; Path=/; HttpOnly"} if self.collector.is_sticky else {}
        return Reply(200, json.dumps(said).encode(), cookies)

    def _acknowledge(self, request: Received, channel: str) -> Reply:
        if not self.collector.acknowledges:
            return say(400, 14, "ACK is disabled")
        asked = json.loads(request.body)["acks"]
        self.polls.append(asked)
        indexer = self._choose(request)
        return Reply(
            200, json.dumps({"acks": {str(one): self._is_done(indexer, channel, one) for one in asked}}).encode()
        )

    def _is_done(self, indexer: int, channel: str, ack_id: int) -> bool:
        """True once, as with Splunk, which then forgets the id; ids that it never gave are not acknowledged."""
        if self.collector.polls_until_ack is None or ack_id >= self._ack_ids[indexer, channel]:
            return False
        self._asked[indexer, channel, ack_id] += 1
        return self._asked[indexer, channel, ack_id] == self.collector.polls_until_ack

    def _choose(self, request: Received) -> int:
        """Choose an indexer, as a load balancer does: by its cookie, else in turn."""
        cookie = request.headers["Cookie"]
        return int(cookie.removeprefix("route=")) if cookie else next(self._turns) % self.collector.indexers


def say(status: int, code: int, text: str, number: int | None = None) -> Reply:
    """Answer as Splunk does."""
    said: Wrapper = {"text": text, "code": code}
    if number is not None:
        said["invalid-event-number"] = number
    return Reply(status, json.dumps(said).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def read_wrappers(body: bytes) -> Iterator[Wrapper]:
    """Read JSON objects that stand one behind the other, with nothing between them."""
    text, position = body.decode(), 0
    decoder = json.JSONDecoder()
    while position < len(text):
        wrapper, position = decoder.raw_decode(text, position)
        yield wrapper
