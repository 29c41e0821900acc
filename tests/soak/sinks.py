"""HTTP sinks that err at random and remember what they accepted, and when."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

from integration.http_sink import NO_ANSWER, HttpSinkServer
from soak.weather import SinkWeather

# Longer than the collectors wait.
SILENCE_SECONDS = 4.0
SINK_TIMEOUT_SECONDS = 2


class RememberingSink(HttpSinkServer):
    """Counts deliveries by what `read_id` takes out of a line; the first is remembered with its time."""

    def __init__(self, seed: int, read_id: Callable[[bytes], str]) -> None:
        super().__init__()
        self._weather = SinkWeather(seed)
        self._read_id = read_id
        self._noting = threading.Lock()
        self.first_accepted: dict[str, float] = {}
        self.deliveries: Counter[str] = Counter()
        self.strikes: Counter[str] = Counter()
        self.decide = self._decide

    def keep(self, body: bytes) -> None:
        """Note the lines instead of keeping them."""
        now = time.monotonic()
        ids = [self._read_id(line) for line in body.split(b"\n")[:-1]]
        with self._noting:
            self.deliveries.update(ids)
            for one in ids:
                self.first_accepted.setdefault(one, now)

    def _decide(self, body: bytes) -> int:
        what, delay = self._weather.draw()
        time.sleep(delay)
        if what == "accept":
            return 200
        with self._noting:
            self.strikes[what] += 1
        if what == "silence":
            time.sleep(SILENCE_SECONDS)
            return NO_ANSWER
        if what == "lost":
            self.keep(body)
            return NO_ANSWER
        return int(what)


def read_event_id(line: bytes) -> str:
    """Take the eventID out of an event record."""
    return str(json.loads(line)["eventID"])


def read_dead_letter(line: bytes) -> str:
    """Take reason, place and index out of a dead-letter line."""
    about = json.loads(line)["deadLetter"]
    return build_letter_id(about["reason"], about["bucket"], about["key"], about.get("index"))


def build_letter_id(reason: str, bucket: str, key: str, index: int | None = None) -> str:
    """Build what one dead letter is known by."""
    return f"{reason} {bucket}/{key}" + ("" if index is None else f" #{index}")
