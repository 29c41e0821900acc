"""A snapshot of a dashboard → a PNG that looks like it: rows, panels on their grid, titles, legends, units."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from pictures import theme
from pictures.panels import DRAWERS
from pictures.snapshot import PanelData, Place, Snapshot


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A figure measured in pixels from the top left, as the grid is."""

    figure: Figure
    height: int

    def to_box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Convert to what matplotlib measures in."""
        return x / theme.WIDTH, 1 - (y + height) / self.height, width / theme.WIDTH, height / self.height

    def write(self, x: float, y: float, text: str, size: float, **style: str) -> None:
        """Write a line whose middle is at y."""
        style = {"color": theme.TEXT, "va": "center"} | style
        self.figure.text(x / theme.WIDTH, 1 - y / self.height, text, fontsize=size, **style)  # type: ignore[arg-type]


def draw_dashboard(snapshot: Snapshot, path: Path) -> None:
    """Draw it and write the PNG."""
    grid = max(panel.place.y + panel.place.height for panel in snapshot.panels)
    height = theme.HEADER + grid * theme.UNIT_HEIGHT + theme.GAP
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.color": theme.TEXT, "text.parse_math": False}):
        figure = Figure(
            figsize=(theme.WIDTH / theme.DPI, height / theme.DPI), dpi=theme.DPI, facecolor=theme.BACKGROUND
        )
        canvas = _Canvas(figure, height)
        _draw_header(canvas, snapshot)
        for panel in snapshot.panels:
            if panel.kind == "row":
                _draw_headline(canvas, panel)
            else:
                _draw_panel(canvas, panel, snapshot)
        _save(figure, path)


def _draw_header(canvas: _Canvas, snapshot: Snapshot) -> None:
    canvas.write(theme.GAP * 2, 26, snapshot.title, 13, weight="bold")
    chosen = "   ".join(f"{name}: {'All' if value == '.+' else value}" for name, value in snapshot.chosen.items())
    begin, end = (datetime.fromtimestamp(when, UTC) for when in (snapshot.begin, snapshot.end))
    canvas.write(theme.WIDTH * 0.36, 26, chosen, theme.FONT, color=theme.MUTED)
    shown = f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC"
    canvas.write(theme.WIDTH - theme.GAP * 2, 26, shown, theme.FONT, color=theme.MUTED, ha="right")


def _draw_headline(canvas: _Canvas, panel: PanelData) -> None:
    _, y, _, height = _find_pixels(panel.place)
    canvas.write(theme.GAP * 2, y + height / 2, f"▾  {panel.title}", theme.FONT + 1.5, weight="bold")


def _draw_panel(canvas: _Canvas, panel: PanelData, snapshot: Snapshot) -> None:
    x, y, width, height = _find_pixels(panel.place)
    box = canvas.to_box(x, y, width, height)
    patch = FancyBboxPatch(
        box[:2],
        *box[2:],
        boxstyle="square,pad=0",
        facecolor=theme.PANEL,
        edgecolor=theme.BORDER,
        linewidth=0.8,
        zorder=-1,
    )
    canvas.figure.add_artist(patch)
    canvas.write(x + 10, y + 14, panel.title, theme.FONT, weight="bold")
    DRAWERS[panel.kind](canvas.figure, canvas.to_box(x, y + 26, width, height - 26), panel, snapshot)


def _find_pixels(place: Place) -> tuple[float, float, float, float]:
    unit = (theme.WIDTH - 2 * theme.GAP) / 24
    x, y = theme.GAP + place.x * unit, theme.HEADER + place.y * theme.UNIT_HEIGHT
    return x, y, place.width * unit - theme.GAP, place.height * theme.UNIT_HEIGHT - theme.GAP


def _save(figure: Figure, path: Path) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", facecolor=theme.BACKGROUND)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(drawn) as image:
        # A palette makes a third of the file, and changes nothing that one can see.
        image.convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
