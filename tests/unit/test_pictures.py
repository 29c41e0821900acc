"""Pictures in the documentation: drawn from data, and not older than what they show."""

import re
import struct
from pathlib import Path

import pytest

from localcluster.demo.display import Display
from localcluster.demo.picture import WIDTH, create_recording, write_picture
from pictures.benchmarks import PLOTS, draw_benchmarks, read_drawn_figures, read_figures
from pictures.drawing import draw_dashboard
from pictures.snapshot import PanelData, Place, Series, Snapshot, read_snapshots, write_snapshots
from pictures.units import format_value

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
DASHBOARDS = sorted(path.stem for path in (ROOT / "charts/cloudtrail-operator/files/dashboards").glob("*.json"))
LARGEST_BYTES = 300_000


def _build_panel(kind: str, y: int, *series: Series) -> PanelData:
    return PanelData(f"Panel {kind}", kind, "none", Place(0, y, 12, 1 if kind == "row" else 7), False, 1, list(series))


def _build_snapshot() -> Snapshot:
    line = Series("one", {"type": "Ready", "status": "True"}, [1000.0 + second for second in range(90)], [5.0] * 90)
    kinds = ("row", "timeseries", "stat", "table", "bargauge")
    panels = [_build_panel(kind, 7 * number, line) for number, kind in enumerate(kinds)]
    empty = [_build_panel(kind, 35 + 7 * number) for number, kind in enumerate(kinds[1:])]
    return Snapshot("x", "A dashboard", {"source": ".+"}, 1000.0, 1090.0, [*panels, *empty])


def _read_png_size(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def _count_colours(path: Path) -> int:
    from PIL import Image  # noqa: PLC0415  (only here)

    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(2**24) or [])


@pytest.mark.parametrize("name", PLOTS)
def test_plots_show_the_figures_of_the_tables(name: str) -> None:
    """After a benchmark that was written down, draw anew: `make pictures`."""
    drawn = read_drawn_figures(IMAGES / f"bench-{name}.svg")
    assert drawn == read_figures(BENCHMARKS.read_text(), name)
    assert len(drawn) > 2


def test_a_plot_says_its_figures_in_words_too(tmp_path: Path) -> None:
    draw_benchmarks(BENCHMARKS, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"bench-{name}.svg" for name in PLOTS}
    text = (tmp_path / "bench-data-path.svg").read_text()
    for way, (speed, *_) in read_figures(BENCHMARKS.read_text(), "data-path").items():
        assert f">{way}</text>" in text
        assert f">{speed:.0f}</text>" in text


def test_every_dashboard_has_its_picture() -> None:
    assert [path.stem for path in sorted(IMAGES.glob("dashboard-*.png"))] == [
        f"dashboard-{name}" for name in DASHBOARDS
    ]


@pytest.mark.parametrize("path", sorted(IMAGES.glob("dashboard-*.png")), ids=lambda path: path.stem)
def test_pictures_of_dashboards_are_small(path: Path) -> None:
    assert path.stat().st_size < LARGEST_BYTES
    assert _read_png_size(path)[0] == 1280


def test_every_kind_of_panel_is_drawn_with_and_without_data(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.png"
    draw_dashboard(_build_snapshot(), path)
    assert _read_png_size(path)[0] == 1280
    assert _count_colours(path) > 20


def test_what_was_found_can_be_drawn_again(tmp_path: Path) -> None:
    write_snapshots(tmp_path / "kept.json", [_build_snapshot()])
    assert read_snapshots(tmp_path / "kept.json") == [_build_snapshot()]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "none", "0"),
        (12_340.0, "none", "12.3k"),
        (0.25, "s", "250 ms"),
        (90.0, "s", "1.5 min"),
        (0.01, "percentunit", "1%"),
        (1_572_864.0, "Bps", "1.5 MiB/s"),
        (0.0382, "currencyUSD", "$0.0382"),
        (210.4, "eps", "210 ev/s"),
        (float("nan"), "s", "no value"),
    ],
)
def test_values_are_written_as_grafana_does(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_terminal_is_drawn_without_what_was_live(tmp_path: Path) -> None:
    recording = create_recording()
    display = Display(recording=recording)
    with display.step("Something comes up"):
        display.progress("half of it")
    display.line("x" * (WIDTH + 20))
    display.command("kubectl get cts", "NAME\norg-trail")
    path = tmp_path / "images" / "demo.svg"
    write_picture(recording, path, "make demo")
    text = path.read_text().replace("&#160;", " ")
    assert "✔" in text
    assert "$ kubectl get cts" in text
    assert "half of it" not in text
    assert "x" * (WIDTH - 1) + "…" in text


def test_picture_of_the_demo_shows_a_run_that_was_right() -> None:
    text = (IMAGES / "demo.svg").read_text().replace("&#160;", " ")
    assert all(words in text for words in ("Active: lost", "messages in the dead-letter queue", "make demo"))
    assert "wrong" not in text


def test_picture_of_the_demo_tells_and_loads_nothing_of_elsewhere() -> None:
    text = (IMAGES / "demo.svg").read_text()
    assert re.findall(r"(?<![\w.])/(?:tmp|home|root|work|usr)\b", text) == []
    assert "font-face" not in text
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
