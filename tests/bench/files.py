"""Sets of log files for the benchmarks: made up, written to a folder, described by what is in them."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcluster.corpus import generate_log_files

NOISE_PREFIXES = ("Describe", "List", "Get")
INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class FileSet:
    """A kind of log files: `events` is the median number of records, `sigma` the spread of the log-normal around it."""

    name: str
    events: int
    sigma: float
    text: str


# 155 bytes of gzip and 1.56 kB of JSON a record in files of this size. The spread of one busy hour of a real account is
# wider (sigma 1.7 between the quartiles); a sigma of 1.0 keeps the mean at 1.6 medians, so that small files count.
MEDIAN_27_KB = FileSet("27 kB", 174, 1.0, "median 27 kB gz, log-normal with sigma 1.0")
ABOUT_60_KB = FileSet("60 kB", 388, 0.1, "60 kB gz, narrow")
QUIET = FileSet("5 records", 5, 0.0, "files of a quiet account: 5 records, 2 kB gz")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A log file in the folder: sizes in bytes, and how many records the noise filter keeps."""

    name: str
    compressed: int
    uncompressed: int
    events: int
    kept: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Log files in a folder."""

    directory: Path
    files: tuple[StoredFile, ...]

    @property
    def paths(self) -> list[Path]:
        """Where the files are."""
        return [self.directory / file.name for file in self.files]

    def total(self, field: str, count: int | None = None) -> int:
        """Sum a field over `count` objects, which stand for the files in turn."""
        values = [int(getattr(file, field)) for file in self.files]
        rounds, rest = divmod(len(values) if count is None else count, len(values))
        return rounds * sum(values) + sum(values[:rest])

    def save(self) -> None:
        """Write the index, from which another process loads the corpus."""
        (self.directory / INDEX).write_text(json.dumps([asdict(file) for file in self.files]))


def write_corpus(kind: FileSet, count: int, directory: Path, *, seed: int = 1) -> Corpus:
    """Make `count` files."""
    made = generate_log_files(count, seed=seed, events_per_file=kind.events, sigma=kind.sigma, end=datetime.now(UTC))
    return store_corpus(directory, (file.body for file in made))


def store_corpus(directory: Path, bodies: Iterable[bytes]) -> Corpus:
    """Write gzip bodies to a folder and note what is in them."""
    directory.mkdir(parents=True)
    files = []
    for number, body in enumerate(bodies):
        name = f"{number:06}.json.gz"
        (directory / name).write_bytes(body)
        text = gzip.decompress(body)
        records = json.loads(text)["Records"]
        kept = sum(not is_noise(record) for record in records)
        files.append(StoredFile(name, len(body), len(text), len(records), kept))
    corpus = Corpus(directory, tuple(files))
    corpus.save()
    return corpus


def load_corpus(directory: Path) -> Corpus:
    """Load what `write_corpus` wrote."""
    entries = json.loads((directory / INDEX).read_text())
    return Corpus(directory, tuple(StoredFile(**entry) for entry in entries))


def is_noise(record: dict[str, Any]) -> bool:
    """Whether the rule in NOISE_RULE drops a record; the plain Python form of it."""
    return record.get("readOnly") is True and str(record.get("eventName", "")).startswith(NOISE_PREFIXES)


NOISE_RULE = {
    "name": "noise",
    "action": "Drop",
    "fieldSelectors": [
        {"field": "readOnly", "equals": ["true"]},
        {"field": "eventName", "startsWith": list(NOISE_PREFIXES)},
    ],
}
