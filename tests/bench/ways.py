"""The ways to turn local log files into NDJSON that are compared: gunzip, split, drop the noise, write to /dev/null.

`python -m bench.ways NAME --corpus DIR` runs one in a process of its own and prints what it used and what it counted.
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.files import NOISE_PREFIXES, NOISE_RULE, is_noise, load_corpus
from cloudtrail_collector.core.batching import Batch, BatchLimits, cut_batch
from cloudtrail_collector.core.dead_letter import Origin
from cloudtrail_collector.core.formats import build_format
from cloudtrail_collector.core.log_file import read_log_file
from cloudtrail_collector.core.masking import compile_masks, refuse_keys
from cloudtrail_collector.core.parcels import Outlet, pack
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.masks import MaskPreset, MaskRule

GIBIBYTE = 1 << 30
_NAMES = "|".join(NOISE_PREFIXES)
JQ_PROGRAM = f'.Records[] | select((.readOnly == true and (.eventName | test("^({_NAMES})"))) | not)'
WARM_UP_FILES = 5
DEFAULT_MASKS = (MaskPreset.ACCESS_KEY_IDS, MaskPreset.ASSUMED_ROLE_IDS, MaskPreset.SESSION_TOKENS)


@dataclass(frozen=True, slots=True)
class Counts:
    """Event records written, and read as far as a way counts those (0 where it cannot)."""

    kept: int
    read: int = 0


Way = Callable[[list[Path], int], Counts]


def collector(paths: list[Path], out: int) -> Counts:
    """The collector's own code, with a filter."""
    return _collect(paths, out, RecordSelector(SelectionRules([FilterRule.model_validate(NOISE_RULE)])))


def collector_with_masks(paths: list[Path], out: int) -> Counts:
    """The collector's own code, with the filter and the masks that most sources want."""
    masks = [MaskRule(preset=preset) for preset in DEFAULT_MASKS]
    rules = SelectionRules([FilterRule.model_validate(NOISE_RULE)])
    return _collect(paths, out, RecordSelector(rules, compile_masks(masks, refuse_keys)))


def collector_without_filter(paths: list[Path], out: int) -> Counts:
    """The collector's own code; every record passes."""
    return _collect(paths, out, RecordSelector(SelectionRules()))


def _collect_formatted(wanted: EventFormat, paths: list[Path], out: int) -> Counts:
    """The collector's own code, with a filter and a format."""
    rules = SelectionRules([FilterRule.model_validate(NOISE_RULE)], [None])
    selector, outlet = RecordSelector(rules), Outlet("out", build_format(wanted, RawOptions(), "bench"), False)
    kept = read = 0
    for path in paths:
        for selection in selector.select(read_log_file(path.read_bytes(), GIBIBYTE)):
            for parcel in pack(selection, Origin("bucket", path.name, ""), [outlet])[0]:
                os.write(out, parcel.batch.payload)
                kept += parcel.batch.count
            read += selection.read
    return Counts(kept, read)


def _collect(paths: list[Path], out: int, selector: RecordSelector) -> Counts:
    kept = read = 0
    for path in paths:
        for selection in selector.select(read_log_file(path.read_bytes(), GIBIBYTE)):
            for batch in cut_batch(Batch(selection.payload, selection.kept), BatchLimits()):
                os.write(out, batch.payload)
            kept += selection.kept
            read += selection.read
    return Counts(kept, read)


def gzip_and_json(paths: list[Path], out: int) -> Counts:
    """The standard library's way."""
    kept = read = 0
    for path in paths:
        records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
        lines = [json.dumps(record, separators=(",", ":")) for record in records if not is_noise(record)]
        os.write(out, "\n".join([*lines, ""]).encode())
        kept += len(lines)
        read += len(records)
    return Counts(kept, read)


def isal_and_orjson(paths: list[Path], out: int) -> Counts:
    """The fastest libraries that do the same."""
    import orjson  # noqa: PLC0415  (each way loads what it needs, and no more)
    from isal import isal_zlib  # noqa: PLC0415

    kept = read = 0
    for path in paths:
        records = orjson.loads(isal_zlib.decompress(path.read_bytes(), 31))["Records"]
        lines = [orjson.dumps(record) for record in records if not is_noise(record)]
        os.write(out, b"\n".join([*lines, b""]))
        kept += len(lines)
        read += len(records)
    return Counts(kept, read)


def zcat_and_jq(paths: list[Path], out: int) -> Counts:
    """A shell's way; the lines are counted by wc, whose CPU counts too."""
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(["zcat", *paths], stdout=pipe) as zcat,
        subprocess.Popen(["jq", "-c", JQ_PROGRAM], stdin=zcat.stdout, stdout=pipe) as jq,
    ):
        lines = subprocess.run(["wc", "-l"], stdin=jq.stdout, capture_output=True, check=True).stdout
    if zcat.returncode or jq.returncode:
        raise RuntimeError("zcat or jq failed")
    return Counts(int(lines))


def duckdb(paths: list[Path], out: int) -> Counts:
    """SQL over JSON, one thread; the records stay JSON, so that no schema has to be guessed."""
    import duckdb as database  # noqa: PLC0415

    connection = database.connect(config={"threads": 1})
    names = ", ".join(f"'{path}'" for path in paths)
    noise = " OR ".join(f"starts_with(record->>'eventName', '{prefix}')" for prefix in NOISE_PREFIXES)
    source = f"read_json([{names}], columns={{Records: 'JSON[]'}}, compression='gzip', maximum_object_size=268435456)"
    query = (
        f"SELECT record FROM (SELECT unnest(Records) AS record FROM {source})"  # noqa: S608  (our own text)
        f" WHERE NOT (coalesce(record->>'readOnly', '') = 'true' AND ({noise}))"
    )
    plain = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"
    done: Any = connection.execute(f"COPY ({query}) TO '/dev/null' ({plain})")
    return Counts(int(done.fetchone()[0]))


WAYS: Mapping[str, Way] = {
    "gzip + json": gzip_and_json,
    "collector": collector,
    "collector, masks": collector_with_masks,
    "collector, no filter": collector_without_filter,
    **{
        f"collector, {name}": partial(_collect_formatted, name)
        for name in (EventFormat.FALCO, EventFormat.ECS, EventFormat.OCSF)
    },
    "isal + orjson": isal_and_orjson,
    "zcat | jq -c": zcat_and_jq,
    "DuckDB": duckdb,
}


def _read_cpu() -> float:
    """CPU seconds of this process and its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(way: Way, paths: list[Path]) -> dict[str, float]:
    """Run a way over some files, after a few of them to warm up."""
    from cloudtrail_collector.assembly import tune_malloc  # noqa: PLC0415  (only the measured process needs boto3)

    tune_malloc()
    out = os.open(os.devnull, os.O_WRONLY)
    way(paths[:WARM_UP_FILES], out)
    before = _read_cpu()
    counts = way(paths, out)
    used = _read_cpu() - before
    os.close(out)
    return {"cpu_seconds": used, "kept": counts.kept, "read": counts.read}


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ways", description=__doc__)
    parser.add_argument("name", choices=list(WAYS))
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--files", type=int, required=True, metavar="N", help="take the first N files")
    options = parser.parse_args()
    json.dump(measure(WAYS[options.name], load_corpus(options.corpus).paths[: options.files]), sys.stdout)


if __name__ == "__main__":
    _main()
