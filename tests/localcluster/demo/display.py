"""What the demo shows: a live line on a terminal, plain lines when piped."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

PIPED_INTERVAL_SECONDS = 5.0


class Display:
    """Steps, a progress line, kubectl output, and the summary. A recording gets all of it but what is live."""

    def __init__(self, console: Console | None = None, recording: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._recording = recording
        self._started = time.monotonic()
        self._shown_at = 0.0
        self._status: Status | None = None

    def title(self, text: str, details: list[str]) -> None:
        """Open with what this is and what it runs on."""
        self._print(Panel("\n".join(details), title=text, title_align="left", expand=False))

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that something is being done, then that it was done and how long it took."""
        began = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(text) as status:
                self._status = status
                try:
                    yield
                finally:
                    self._status = None
        else:
            self.console.print(f"{self._clock()} … {text}", soft_wrap=True)
            self._shown_at = time.monotonic()
            yield
        self._print(f"{self._clock()} [green]✔[/] {text} [dim]({time.monotonic() - began:.1f} s)[/]", soft_wrap=True)

    def progress(self, text: str) -> None:
        """Replace the live line; when piped, print a line every few seconds."""
        if self._status is not None:
            self._status.update(text)
        elif time.monotonic() - self._shown_at >= PIPED_INTERVAL_SECONDS:
            self._shown_at = time.monotonic()
            self.console.print(f"{self._clock()}   {text}", soft_wrap=True)

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self._print(Text(text), soft_wrap=True)

    def command(self, command: str, output: str) -> None:
        """Show a command and what it printed."""
        self._print(Text(f"$ {command}", style="bold"))
        self._print(Text(output.rstrip()), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._print(Rule(f"[bold]{text}", align="left"))

    def summary(self, rows: list[tuple[str, str, bool]]) -> None:
        """Print the numbers; a wrong one is marked."""
        table = Table(title="Summary", title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        for name, value, is_right in rows:
            table.add_row(name, value, "[green]✔[/]" if is_right else "[bold red]wrong[/]")
        self._print(table)

    def error(self, text: str) -> None:
        """Print what went wrong."""
        self._print(Text(text, style="bold red"), soft_wrap=True)

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        self.console.print(what, soft_wrap=soft_wrap)
        if self._recording is not None:
            self._recording.print(what, no_wrap=True, overflow="ellipsis")

    def _clock(self) -> str:
        return f"[dim]{time.monotonic() - self._started:5.1f} s[/]"
