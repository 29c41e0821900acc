"""Text for terminals: columns, wrapped paragraphs, ages. Nothing that a cluster or AWS says can steer the terminal."""

import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from cloudtrail_operator.core.durations import format_duration

WIDTH = 110
NOTHING = "-"
MEND = "To mend it: "
"""Stands before the command in messages of `doctor` and of a collector's start."""


def clean(text: str) -> str:
    """Replace what a terminal would obey instead of show: control characters, and marks that turn text around."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(character) else character for character in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Render columns, each as wide as its longest cell; the last one is not filled up."""
    lines = [tuple(head), *(tuple(clean(cell) or NOTHING for cell in row) for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(head))]
    return [
        " " * indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def render_fields(fields: Sequence[tuple[str, str]], width: int = 12) -> list[str]:
    """Render names and values below each other; what is empty is left out."""
    return [f"{name:<{width}}{clean(value)}" for name, value in fields if value]


def wrap(text: str, indent: int, first: str = "") -> list[str]:
    """Wrap a paragraph; `first` stands before its first line. Long words, such as ARNs, stay whole."""
    return textwrap.wrap(
        clean(" ".join(text.split())),
        WIDTH,
        initial_indent=" " * indent + first,
        subsequent_indent=" " * (indent + len(first)),
        break_long_words=False,
        break_on_hyphens=False,
    )


def render_message(text: str, indent: int) -> list[str]:
    """Wrap a message. The command that a collector's checks propose at its end stays one line, to be copied."""
    words, mark, command = text.partition(MEND)
    line = [" " * indent + mark + clean(" ".join(command.split()))] if mark else []
    return [*wrap(words, indent), *line]


def render_explanation(message: str, advice: str | None, indent: int) -> list[str]:
    """Wrap a message, and what is to be done about it."""
    return [*render_message(message, indent), *(wrap(advice, indent, "what to do: ") if advice else ())]


def parse_time(text: object) -> datetime | None:
    """Read a time as Kubernetes writes it; None for anything else."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def format_age(time: datetime | None, now: datetime) -> str:
    """Say how long ago, such as 4m10s; a clock that is ahead counts as now."""
    return NOTHING if time is None else format_duration(int((now - time).total_seconds()))


def format_time(time: datetime) -> str:
    """Write a time to the second, in UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_count(number: int) -> str:
    """Write a number with thin groups: 1,204."""
    return f"{number:,}"
