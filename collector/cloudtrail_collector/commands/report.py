"""Tells a person on standard error how far a command is, what it could not read, and what it did in the end."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudtrail_collector.errors import AwsError

NO_CREDENTIALS = "NoCredentials"


@dataclass(slots=True)
class Tally:
    """What was done so far."""

    files: int = 0
    read: int = 0
    printed: int = 0
    unwanted: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    broken_records: int = 0
    failures: int = 0

    def describe(self) -> str:
        """Build the summary line."""
        parts = [
            count(self.files, "file"),
            f"{count(self.read, 'event')} read",
            f"{self.printed} printed",
            f"{self.dropped.total()} dropped{_list_rules(self.dropped)}",
        ]
        parts += [f"{self.unwanted} not matched by --filter"] if self.unwanted else []
        parts += [f"{self.broken_records} broken"] if self.broken_records else []
        parts += [f"{self.failures} could not be read"] if self.failures else []
        return ", ".join(parts)


def count(number: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def explain_stop(error: AwsError) -> str:
    """Say how to log in to whoever has not; other errors of AWS explain themselves."""
    if error.code != NO_CREDENTIALS:
        return str(error)
    return "no AWS credentials are found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile"


def _list_rules(dropped: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {number}' for name, number in sorted(dropped.items()))})" if dropped else ""


class Reporter:
    """A progress bar where standard error is a terminal, and lines about what went wrong."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._bar: Any = None
        self._shares_screen = sys.stdout.isatty()

    def start(self, total: int | None) -> None:
        """Show the bar; `total` is the number of files, if it is known."""
        if sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415  (only where somebody looks)

            self._bar = tqdm(total=total, unit=" files", file=sys.stderr, leave=False, dynamic_ncols=True)

    def stop(self) -> None:
        """Take the bar away and say what was done."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.say(self.tally.describe())

    def advance(self) -> None:
        """Note that a file is done."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self.tally.printed} of {self.tally.read} events", refresh=False)
            self._bar.update()

    def print(self, text: bytes) -> None:
        """Write lines to standard output. Raises BrokenPipeError when nobody reads them any more."""
        if not text:
            return
        if self._bar is not None and self._shares_screen:
            self._bar.clear()
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    def complain(self, about: str, error: object) -> None:
        """Name what could not be read, and why."""
        self.tally.failures += 1
        self.say(f"{about}: {error}")

    def complain_of_record(self, about: str, error: object) -> None:
        """Name an event record that could not be read."""
        self.tally.broken_records += 1
        self.say(f"{about}: {error}")

    def say(self, line: str) -> None:
        """Write a line to standard error, above the bar if there is one."""
        if self._bar is not None:
            self._bar.clear()
        print(line, file=sys.stderr)  # noqa: T201  (a command's answer)
