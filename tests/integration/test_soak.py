"""A small soak in every run of the tests; `python -m soak` is the long one."""

from pathlib import Path

from soak.run import Options, run_soak

SEED = 7


def test_soak_of_400_files_loses_nothing(tmp_path: Path) -> None:
    options = Options(files=400, seed=SEED, disturb_seconds=1.0, timeout_seconds=150)
    report = run_soak(options, tmp_path)
    assert not report.findings, "\n".join([f"python -m soak --files 400 --seed {SEED}:", *report.findings])
    assert report.figures["events delivered"] == report.figures["events to deliver"] > 1000
    assert sum(count for name, count in report.figures.items() if name.startswith("ended by")) >= 3
    assert len([name for name in report.figures if name.startswith("struck: s3")]) >= 5
