"""Tables of results: printed to a terminal, or put between markers into a Markdown document."""

import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True)
class Table:
    """A result. `name` is the marker's; the first column is text, the others are figures; a note is a sentence."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def print_table(console: Console, table: Table) -> None:
    """Print a table."""
    console.print(f"\n{table.title}", style="bold", highlight=False, markup=False)
    shown = RichTable()
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if index else "left")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
    for note in table.notes:
        console.print(f"  {note}", highlight=False, markup=False)


def write_tables(path: Path, tables: list[Table]) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->`. Raises ValueError for a marker that is not there."""
    text = path.read_text(encoding="utf-8")
    for table in tables:
        begin, end = f"<!-- {table.name} -->", f"<!-- /{table.name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{path} has no {begin} ... {end}")
        filled = f"{begin}\n{render_markdown(table)}\n{end}"
        text = pattern.sub(lambda _, filled=filled: filled, text)  # type: ignore[misc]
    path.write_text(text, encoding="utf-8")


def render_markdown(table: Table) -> str:
    """Render title, table and notes."""
    rule = ["---", *("---:" for _ in table.columns[1:])]
    lines = [
        f"**{table.title}**",
        "",
        *("| " + " | ".join(cells) + " |" for cells in (table.columns, rule, *_escape(table))),
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)])


def _escape(table: Table) -> list[list[str]]:
    return [[cell.replace("|", r"\|") for cell in row] for row in table.rows]


def read_table(text: str, name: str) -> Table:
    """Read back what `write_tables` has written, figures as they stand. Raises ValueError for a table that is not there."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n\*\*(.*)\*\*\n\n((?:\|.*\n)+)((?:\n?.+\n)*?)<!-- /", text)
    if not found:
        raise ValueError(f"there is no table {name}")
    lines = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in found[2].splitlines()]
    columns, _, *rows = (tuple(cell.replace(r"\|", "|").strip() for cell in line) for line in lines)
    return Table(name, found[1], columns, tuple(rows), tuple(note for note in found[3].split("\n") if note))
