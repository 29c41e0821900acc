"""The benchmark's runs measure consumers that deliver everything: each run checks its counts, or it is no run."""

from pathlib import Path

from bench.files import QUIET, write_corpus
from bench.measured_run import Load, run_collector, run_plain_script

OBJECTS = 30


def test_measured_runs_deliver_everything(tmp_path: Path) -> None:
    corpus = write_corpus(QUIET, 7, tmp_path / "corpus")
    load = Load(corpus, OBJECTS, distance=0.01)
    for run in (run_plain_script(load, threads=2), run_collector(load, workers=2, sampling=0.05)):
        assert run.server["gets"] - run.server["missing"] == OBJECTS
        assert run.events == corpus.total("events", OBJECTS)
        assert run.used.peak_rss_bytes >= run.used.rss_bytes > 0
    assert run.samples[-1].deleted <= OBJECTS
