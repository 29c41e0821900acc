"""`python -m pictures dashboards|benchmarks`: draws the pictures in docs/images.

`dashboards` plays some minutes of traffic on the local cluster and draws what the dashboards' own queries find.
`benchmarks` plots the tables of docs/benchmarks.md. The demo draws its terminal itself: `python -m localcluster.demo --svg`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from localcluster.demo.display import Display
from pictures.benchmarks import draw_benchmarks
from pictures.drawing import draw_dashboard
from pictures.scene import CHART, playing_scene
from pictures.snapshot import Snapshot, read_snapshots, take_snapshot, write_snapshots

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
_ALL = {"namespace": ".+", "source": ".+"}
_CHOSEN = {"fleet": _ALL, "source": {"namespace": "security", "source": "org-trail"}, "activity": _ALL}
_RATE_INTERVAL = "20s"


def main() -> int:
    """Draw one kind of picture."""
    parser = argparse.ArgumentParser(
        prog="python -m pictures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["dashboards", "benchmarks"])
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="FOLDER", help="where they go (docs/images)")
    parser.add_argument("--seconds", type=float, default=240, help="of traffic (240)")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="keep what the queries found, or draw it if it is there"
    )
    options = parser.parse_args()
    if options.what == "benchmarks":
        draw_benchmarks(BENCHMARKS, options.out)
        return 0
    kept = options.data is not None and options.data.exists()
    snapshots = read_snapshots(options.data) if kept else _record(options.seconds)
    if options.data and not kept:
        write_snapshots(options.data, snapshots)
    for snapshot in snapshots:
        draw_dashboard(snapshot, options.out / f"dashboard-{snapshot.name}.png")
    return 0


def _record(seconds: float) -> list[Snapshot]:
    dashboards = {name: json.loads((CHART / "files" / "dashboards" / f"{name}.json").read_text()) for name in _CHOSEN}
    with (
        tempfile.TemporaryDirectory(prefix="pictures-", ignore_cleanup_errors=True) as directory,
        playing_scene(Path(directory), Display(), seconds) as (prometheus, begin, end),
    ):
        own = {"__rate_interval": _RATE_INTERVAL, "__range": f"{end - begin:.0f}s"}
        return [
            take_snapshot(prometheus, name, dashboard, _CHOSEN[name] | own, (begin, end))
            for name, dashboard in dashboards.items()
        ]


if __name__ == "__main__":
    sys.exit(main())
