"""What a recording console was told → a picture of a terminal, as SVG."""

import io
import re
from pathlib import Path

from rich.console import Console

# The same for every run, so that the picture keeps its size; longer lines end in an ellipsis.
WIDTH = 120
_ID = "demo"


def create_recording() -> Console:
    """Create a console that shows nothing."""
    return Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False)


def write_picture(recording: Console, path: Path, title: str) -> None:
    """Write the SVG. It loads no font from elsewhere: a viewer takes its own monospaced one."""
    picture = recording.export_svg(title=title, unique_id=_ID)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL), encoding="utf-8")
