"""Measures how much memory the collector takes: with giants in the queue, and over very many objects."""

from bench.files import Corpus
from bench.goals import Goal
from bench.measured_run import Load, Run, run_collector
from bench.tables import Table

# Growth between the second and the last quarter of a run; the first one warms caches up.
FLAT = 0.05


def measure_giants(corpus: Corpus, bombs: int, workers: int) -> tuple[Table, list[Goal]]:
    """Run over large files and bombs; the bombs have to end at the dead-letter sink."""
    run = run_collector(Load(corpus, len(corpus.files), refused=bombs), workers, dead_letters=True)
    largest = max(file.uncompressed for file in corpus.files) / 1e6
    large = sum(file.uncompressed > 1e8 for file in corpus.files)
    peak = run.used.peak_rss_bytes / 2**20
    columns = ("queue", "workers", "peak RSS MiB", "wall s", "CPU s", "MB/s per core")
    name = f"{len(corpus.files) - large - bombs} ordinary files, {large} of {largest:.0f} MB, {bombs} gzip bombs"
    row = (
        name,
        str(workers),
        f"{peak:.0f}",
        f"{run.wall_seconds:.1f}",
        f"{run.used.cpu_seconds:.1f}",
        f"{run.rate:.0f}",
    )
    table = Table(
        "giants",
        "Large files and gzip bombs",
        columns,
        (row,),
        ("MB/s leaves the bombs out of the MB, not of the CPU.",),
    )
    return table, [Goal("Peak RSS with 500 MB files and gzip bombs", 400, peak, " MiB", at_most=True)]


def measure_flatness(corpus: Corpus, objects: int, workers: int) -> tuple[Table, list[Goal]]:
    """Run over very many small objects and sample the resident size."""
    run = run_collector(Load(corpus, objects), workers, sampling=max(0.5, objects / 100_000))
    rows = tuple(_sample_at(run, share) for share in (0.1, 0.25, 0.5, 0.75, 1.0))
    growth = _measure_growth(run)
    note = (
        f"{objects:,} objects of {corpus.total('events') / len(corpus.files):.0f} records, {len(run.samples)} samples,"
        f" {run.wall_seconds:.0f} s; peak {run.used.peak_rss_bytes / 2**20:.0f} MiB; the mean of the last quarter is"
        f" {growth:+.1%} against that of the second."
    )
    table = Table("flatness", "Resident size over many objects", ("objects done", "RSS MiB"), rows, (note,))
    return table, [Goal(f"Growth of RSS over {objects:,} objects", 100 * FLAT, 100 * growth, " %", at_most=True)]


def _sample_at(run: Run, share: float) -> tuple[str, str]:
    wanted = share * run.objects
    nearest = min(run.samples, key=lambda sample: abs(sample.deleted - wanted))
    return f"{nearest.deleted:,}", f"{nearest.rss_bytes / 2**20:.1f}"


def _measure_growth(run: Run) -> float:
    def mean_between(low: float, high: float) -> float:
        sizes = [s.rss_bytes for s in run.samples if low * run.objects <= s.deleted <= high * run.objects]
        if not sizes:
            raise ValueError("too few samples: take more objects")
        return sum(sizes) / len(sizes)

    return mean_between(0.75, 1.0) / mean_between(0.25, 0.5) - 1
