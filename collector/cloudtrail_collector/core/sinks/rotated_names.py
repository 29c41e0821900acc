"""Names rotated files: `events.ndjson` becomes `events-20260131T120000.000Z.ndjson`, and knows its own again."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

GZIP_SUFFIX = ".gz"
# A file that is being compressed; whoever reads the folder leaves alone what begins with a dot.
PART_SUFFIX = ".part"


class RotatedNames:
    """The names that a file gets when it is rotated; `name` is that of the file in work."""

    def __init__(self, name: str) -> None:
        stem, dot, extension = name.rpartition(".")
        self._stem, self._extension = (stem, dot + extension) if stem else (name, "")
        self._pattern = re.compile(
            re.escape(self._stem) + r"-(\d{8}T\d{6}\.\d{3}Z)(?:-(\d{1,6}))?" + re.escape(self._extension) + r"(\.gz)?"
        )

    def build(self, time: float, taken: Collection[str]) -> str:
        """Build the name for a file that is rotated at `time`; none that stands in `taken`, compressed or not."""
        moment = datetime.fromtimestamp(time, UTC)
        # Milliseconds: a name that was removed within the same second must not come again for a newer file.
        stamp = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"
        number = 1
        while True:
            suffix = f"-{number}" if number > 1 else ""
            name = f"{self._stem}-{stamp}{suffix}{self._extension}"
            if name not in taken and name + GZIP_SUFFIX not in taken:
                return name
            number += 1

    def list_rotated(self, names: Collection[str]) -> list[str]:
        """List the rotated files among `names`, without `.gz`, each once, the oldest first."""
        found = {}
        for name in names:
            if match := self._pattern.fullmatch(name):
                found[name.removesuffix(GZIP_SUFFIX)] = (match[1], int(match[2] or 1))
        return sorted(found, key=found.__getitem__)

    def build_part(self, rotated: str) -> str:
        """Build the name that a rotated file has while it is compressed."""
        return f".{rotated}{GZIP_SUFFIX}{PART_SUFFIX}"

    def list_parts(self, names: Collection[str]) -> list[str]:
        """List the files among `names` that somebody has begun to compress."""
        ending = GZIP_SUFFIX + PART_SUFFIX
        return [
            name
            for name in names
            if name.startswith(".") and name.endswith(ending) and self._pattern.fullmatch(name[1 : -len(ending)])
        ]
