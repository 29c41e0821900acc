"""One panel → what stands below its title: lines over time, a figure, a table, bars."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pictures import theme
from pictures.snapshot import PanelData, Series, Snapshot
from pictures.units import format_value

Box = tuple[float, float, float, float]

_LEGEND_PIXELS = 20
_ROW_PIXELS = 19
_SMALLEST_ROW_PIXELS = 13
# What a legend of this many characters needs in pixels, marker and space included.
_CHARACTER = 5.8
_MARKER = 24


def _pixels(figure: Figure, box: Box) -> tuple[float, float]:
    width, height = figure.get_size_inches() * figure.dpi
    return box[2] * width, box[3] * height


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _draw_lines(figure: Figure, box: Box, panel: PanelData, snapshot: Snapshot) -> None:
    width, height = _pixels(figure, box)
    shown = [series for series in panel.series if series.times]
    rows = _arrange_legend([series.name for series in shown], width - 20)
    left, below = 62 / width, (20 + _LEGEND_PIXELS * len(rows)) / height
    axes = figure.add_axes(
        (box[0] + left * box[2], box[1] + below * box[3], (1 - left - 14 / width) * box[2], (1 - below) * box[3])
    )
    _style(axes, panel, snapshot)
    colours = [theme.PALETTE[number % len(theme.PALETTE)] for number in range(len(shown))]
    if panel.is_stacked:
        _stack(axes, shown, colours)
    else:
        for series, colour in zip(shown, colours, strict=True):
            axes.plot(series.times, series.values, color=colour, linewidth=1.1)
            axes.fill_between(series.times, series.values, color=colour, alpha=0.08, linewidth=0)
    axes.set_ylim(0, (axes.get_ylim()[1] or 1) if any(max(series.values) > 0 for series in shown) else 1)
    if not shown:
        axes.text(
            0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center", color=theme.MUTED, fontsize=9
        )
    _draw_legend(figure, box, rows, colours)


def _style(axes: Axes, panel: PanelData, snapshot: Snapshot) -> None:
    axes.set_facecolor("none")
    axes.set_xlim(snapshot.begin, snapshot.end)
    axes.spines[:].set_visible(False)
    axes.grid(color=theme.GRID, linewidth=0.6)
    axes.tick_params(length=0, labelsize=theme.SMALL, labelcolor=theme.MUTED, pad=3)
    are_counts = panel.unit == "none" and all(value.is_integer() for series in panel.series for value in series.values)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=are_counts))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, panel.unit)))
    first = -(-snapshot.begin // 60) * 60
    axes.set_xticks(np.arange(first, snapshot.end, 60))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{datetime.fromtimestamp(value, UTC):%H:%M}"))


def _stack(axes: Axes, shown: Sequence[Series], colours: Sequence[str]) -> None:
    times = np.array(sorted({when for series in shown for when in series.times}))
    below = np.zeros(len(times))
    for series, colour in zip(shown, colours, strict=True):
        top = below + np.interp(times, series.times, series.values, left=0, right=0)
        axes.fill_between(times, below, top, color=colour, alpha=0.3, linewidth=0)
        axes.plot(times, top, color=colour, linewidth=1.1)
        below = top


def _arrange_legend(names: Sequence[str], width: float) -> list[list[tuple[str, int]]]:
    """Break the names into at most two lines; what does not fit is counted."""
    rows: list[list[tuple[str, int]]] = [[]]
    used = 0.0
    for number, name in enumerate(names):
        text = _shorten(name, 34)
        need = _MARKER + len(text) * _CHARACTER
        room = width - (0 if number == len(names) - 1 or not rows[1:] else _MARKER)
        if used + need > room:
            if len(rows) == 2:
                rows[-1].append((f"+{len(names) - number}", -1))
                break
            rows.append([])
            used = 0.0
        rows[-1].append((text, number))
        used += need
    return rows if names else []


def _draw_legend(figure: Figure, box: Box, rows: list[list[tuple[str, int]]], colours: Sequence[str]) -> None:
    width, height = _pixels(figure, box)
    for line, row in enumerate(rows):
        y = box[1] + (_LEGEND_PIXELS * (len(rows) - line) - 9) / height * box[3]
        x = 10.0
        for text, number in row:
            if number >= 0:
                figure.text(box[0] + x / width * box[2], y, "━", color=colours[number], fontsize=8, va="center")
            start = box[0] + (x + 14) / width * box[2]
            figure.text(start, y, text, color=theme.TEXT, fontsize=theme.SMALL, va="center")
            x += _MARKER + len(text) * _CHARACTER


def _draw_figure(figure: Figure, box: Box, panel: PanelData, snapshot: Snapshot) -> None:
    value = panel.series[0].last if panel.series else float("nan")
    colour = theme.TEXT
    if panel.bad_from is not None:
        colour = theme.BAD if value >= panel.bad_from else theme.GOOD
    text = format_value(value, panel.unit)
    size = min(22, _pixels(figure, box)[0] * 0.95 / len(text))
    figure.text(
        box[0] + box[2] / 2,
        box[1] + box[3] * 0.56,
        text,
        color=colour,
        fontsize=size,
        weight="bold",
        ha="center",
        va="center",
    )


def _draw_table(figure: Figure, box: Box, panel: PanelData, snapshot: Snapshot) -> None:
    width, height = _pixels(figure, box)
    columns = list(dict.fromkeys(name for series in panel.series for name in series.labels))
    rows = [columns, *sorted([series.labels.get(name, "") for name in columns] for series in panel.series)]
    if not panel.series:
        figure.text(box[0] + box[2] / 2, box[1] + box[3] / 2, "No data", color=theme.MUTED, fontsize=9, ha="center")
    step = max(_SMALLEST_ROW_PIXELS, min(_ROW_PIXELS, height / (len(rows) + 0.3)))
    for number, row in enumerate(rows[: int(height // step)]):
        y = box[1] + box[3] * (1 - (number + 0.6) * step / height)
        for column, text in enumerate(row):
            x = box[0] + box[2] * (10 / width + column / len(columns))
            colour = theme.MUTED if number == 0 else theme.TEXT
            figure.text(x, y, text, color=colour, fontsize=theme.SMALL + 0.5, va="center")


def _draw_bars(figure: Figure, box: Box, panel: PanelData, snapshot: Snapshot) -> None:
    width, height = _pixels(figure, box)
    shown = sorted(panel.series, key=lambda series: -series.last)[: int(height // _ROW_PIXELS)]
    largest = max((series.last for series in shown), default=1) or 1
    label = min(0.62, (max((len(series.name) for series in shown), default=1) * _CHARACTER + 14) / width)
    axes = figure.add_axes((box[0], box[1], box[2], box[3]))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-height, 0)
    room = 1 - label - 70 / width
    for number, series in enumerate(shown):
        y = -(number + 0.6) * _ROW_PIXELS
        text = _shorten(series.name, int(label * width / _CHARACTER))
        axes.text(label - 8 / width, y, text, fontsize=theme.SMALL, color=theme.TEXT, ha="right", va="center")
        axes.barh(y, room, left=label, height=_ROW_PIXELS * 0.62, color=theme.GRID)
        axes.barh(y, room * series.last / largest, left=label, height=_ROW_PIXELS * 0.62, color=theme.GOOD)
        value = format_value(round(series.last), panel.unit)
        axes.text(label + room + 8 / width, y, value, fontsize=theme.SMALL, color=theme.TEXT, va="center")


DRAWERS: Mapping[str, Callable[[Figure, Box, PanelData, Snapshot], None]] = {
    "timeseries": _draw_lines,
    "stat": _draw_figure,
    "table": _draw_table,
    "bargauge": _draw_bars,
}
