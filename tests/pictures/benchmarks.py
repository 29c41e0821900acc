"""The tables of docs/benchmarks.md → plots, as SVG. Each carries its figures as data, so that a test can compare them."""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.tables import Table, read_table

Figures = Mapping[str, Sequence[float]]

_OURS = "#2f6fdb"
_OTHERS = "#b5bcc9"
_TEXT = "#24292f"
_MUTED = "#6a737d"
_SETS = {"27-kb": "files of 27 kB", "60-kb": "files of 60 kB", "quiet": "files of 5 records"}
_FONT = "DejaVu Sans"
_STYLE: dict[Any, Any] = {
    "font.family": _FONT,
    "font.size": 10,
    "text.color": _TEXT,
    "axes.labelcolor": _MUTED,
    "xtick.color": _MUTED,
    "ytick.color": _TEXT,
    "svg.fonttype": "none",
    "svg.hashsalt": "cloudtrail-operator",
}


def draw_benchmarks(document: Path, folder: Path) -> None:
    """Draw every plot into the folder."""
    text = document.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=(8.2, 3.6), facecolor="white", layout="constrained")
            axes = figure.add_subplot()
            axes.spines[["top", "right"]].set_visible(False)
            figures = draw(axes, text)
            metadata = {"Description": json.dumps(figures), "Date": None, "Creator": None}
            drawn = io.StringIO()
            figure.savefig(drawn, format="svg", metadata=metadata)
        # Text stays text, so a viewer may lack the font that it was measured with.
        text_with_fonts = drawn.getvalue().replace(f"'{_FONT}'", f"'{_FONT}', Verdana, sans-serif")
        (folder / f"bench-{name}.svg").write_text(text_with_fonts, encoding="utf-8")


def read_figures(text: str, name: str) -> Figures:
    """Read what a plot of this name must show."""
    return PLOTS[name](Figure().add_subplot(), text)


def read_drawn_figures(picture: Path) -> Figures:
    """Read what a picture says that it shows."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", picture.read_text(encoding="utf-8"), re.DOTALL)
    if not found:
        raise ValueError(f"{picture} carries no figures")
    figures: Figures = json.loads(found[1].replace("&quot;", '"').replace("&gt;", ">").replace("&amp;", "&"))
    return figures


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _pick(table: Table, column: str, row: Sequence[str]) -> float:
    return _number(row[table.columns.index(column)])


def _draw_data_path(axes: Axes, text: str) -> Figures:
    table = read_table(text, "data-path")
    speeds = {row[0]: [_pick(table, "MB/s per core", row)] for row in table.rows}
    for position, (way, (speed,)) in enumerate(reversed(speeds.items())):
        axes.barh(position, speed, color=_OURS if way.startswith("collector") else _OTHERS, height=0.68)
        axes.text(speed + 3, position, f"{speed:.0f}", va="center")
    axes.set_yticks(range(len(speeds)), list(reversed(speeds)))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("MB of decompressed JSON per second of CPU")
    axes.set_title("Data path alone: gunzip, split, filter, write", loc="left", weight="bold")
    return speeds


def _draw_end_to_end(axes: Axes, text: str) -> Figures:
    figures = {label: _read_best(read_table(text, name)) for name, label in _SETS.items()}
    _draw_pairs(
        axes,
        {name: (script, collector) for name, (script, collector, _) in figures.items()},
        ("plain boto3 script", "collector"),
        [(f"{script:.0f}", f"{collector:.0f} ({ratio:.1f}x)") for script, collector, ratio in figures.values()],
    )
    axes.set_ylabel("MB per second of CPU")
    axes.set_title("End to end: SQS, GetObject, filter, HTTP sink, delete", loc="left", weight="bold")
    return figures


def _draw_pairs(axes: Axes, pairs: Figures, labels: tuple[str, str], words: Sequence[tuple[str, str]]) -> None:
    """Draw what others and we take side by side; `words` stand above the bars."""
    for position, (pair, pair_words) in enumerate(zip(pairs.values(), words, strict=True)):
        for side, (height, word) in enumerate(zip(pair, pair_words, strict=True)):
            x = position + (side - 0.5) * 0.4
            axes.bar(x, height, 0.36, color=(_OTHERS, _OURS)[side], label="" if position else labels[side])
            axes.text(x, height, word, ha="center", va="bottom")
    axes.set_xticks(range(len(pairs)), list(pairs))
    axes.tick_params(axis="x", length=0)
    axes.legend(frameon=False)


def _read_best(table: Table) -> list[float]:
    """Read the script with one thread, and the collector's best row: MB/s of both, and their ratio."""
    script = next(row for row in table.rows if row[:2] == ("plain script", "1"))
    collectors = [row for row in table.rows if row[0] == "collector"]
    best = max(collectors, key=lambda row: _pick(table, "x script", row))
    return [_pick(table, "MB/s", script), _pick(table, "MB/s", best), _pick(table, "x script", best)]


def _draw_workers(axes: Axes, text: str) -> Figures:
    table = read_table(text, "distance")
    rows = {row[1]: [_pick(table, "wall MB/s", row), _pick(table, "MB/s", row)] for row in table.rows}
    wall, core = zip(*rows.values(), strict=True)
    axes.plot(list(rows), wall, color=_OURS, marker="o", label="MB/s by the clock")
    axes.plot(list(rows), core, color=_OTHERS, marker="o", label="MB/s of CPU")
    for position, speed in enumerate(wall):
        axes.text(position, speed - 9, f"{speed:.0f}", ha="center", va="top")
    axes.set_ylim(0)
    axes.set_xlabel("workers; S3 answers after 25 ms")
    axes.legend(frameon=False, loc="lower right")
    axes.set_title("Workers hide the distance of S3", loc="left", weight="bold")
    return rows


def _draw_memory(axes: Axes, text: str) -> Figures:
    table = read_table(text, "flatness")
    rows = {row[0]: [_pick(table, "RSS MiB", row)] for row in table.rows}
    axes.plot([_number(done) / 1000 for done in rows], [size for (size,) in rows.values()], color=_OURS, marker="o")
    axes.set_ylim(0, 2 * max(size for (size,) in rows.values()))
    axes.set_xlim(0)
    axes.set_xlabel("thousand objects done")
    axes.set_ylabel("resident MiB")
    axes.set_title("Memory stays where it is", loc="left", weight="bold")
    return rows


def _draw_operator(axes: Axes, text: str) -> Figures:
    table = read_table(text, "operator-times")
    rows = {row[0]: [_pick(table, "without operator", row), _pick(table, "all Deployments", row)] for row in table.rows}
    words = [(f"{alone:g}", f"{operator:g}") for alone, operator in rows.values()]
    _draw_pairs(axes, rows, ("the same objects, no operator", "operator"), words)
    axes.set_xlabel("sources, all applied at once")
    axes.set_ylabel("seconds")
    axes.set_title("Until every source has its Deployment", loc="left", weight="bold")
    return rows


PLOTS: Mapping[str, Callable[[Axes, str], Figures]] = {
    "data-path": _draw_data_path,
    "end-to-end": _draw_end_to_end,
    "workers": _draw_workers,
    "memory": _draw_memory,
    "operator": _draw_operator,
}
