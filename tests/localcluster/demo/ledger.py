"""Counts what was put into the bucket against what came out of the collectors, without asking them."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from localcluster.corpus import LogFile

NOISE_PREFIXES = ("Describe", "List", "Get")


def is_noise(record: dict[str, Any]) -> bool:
    """Whether the demo's filter rule must drop this event record."""
    return record["readOnly"] is True and record["eventName"].startswith(NOISE_PREFIXES)


@dataclass(slots=True)
class Ledger:
    """What went in: files, and the eventIDs that must come out or must be filtered."""

    files: int = 0
    wanted: set[str] = field(default_factory=set)
    noise: set[str] = field(default_factory=set)

    def add(self, log_file: LogFile) -> None:
        """Note a file that was put into the bucket."""
        self.files += 1
        for record in json.loads(gzip.decompress(log_file.body))["Records"]:
            (self.noise if is_noise(record) else self.wanted).add(record["eventID"])

    @property
    def events(self) -> int:
        """Number of event records put in."""
        return len(self.wanted) + len(self.noise)

    def settle(self, records: Iterable[dict[str, Any]]) -> "Delivery":
        """Compare with what collectors delivered."""
        seen = Counter(record["eventID"] for record in records)
        return Delivery(
            delivered=len(seen.keys() & self.wanted),
            lost=len(self.wanted - seen.keys()),
            unfiltered=len(seen.keys() & self.noise),
            strangers=len(seen.keys() - self.wanted - self.noise),
            repeated=sum(count - 1 for count in seen.values()),
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came out: distinct events delivered and lost, noise that slipped through, unknown ones, repeats."""

    delivered: int
    lost: int
    unfiltered: int
    strangers: int
    repeated: int

    @property
    def is_exact(self) -> bool:
        """Everything wanted came out once, and nothing else."""
        return not (self.lost or self.unfiltered or self.strangers or self.repeated)
