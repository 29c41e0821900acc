"""`python -m images [--write FILE]`: assembles both images without a container engine, and says how large they are."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from bench.tables import Table, print_table, write_tables
from images.assemble import PROGRAMS, AssemblyError, assemble, copy_context
from images.measure import BASE_BYTES, MEGABYTE, Layer, measure

LIMITS = {"collector": 150 * MEGABYTE, "operator": 200 * MEGABYTE}
TABLE = "sizes"


def main() -> int:
    """Print the table, or put it into a document too; exit code 1 for an image that is too large."""
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this document")
    write = parser.parse_args().write
    try:
        with tempfile.TemporaryDirectory(prefix="images-") as directory:
            context, *targets = (Path(directory, name) for name in ("context", *PROGRAMS))
            copy_context(context)
            layers = {target.name: measure(assemble(target.name, context, target)) for target in targets}
    except AssemblyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    table = build_table(layers)
    print_table(Console(), table)
    if write:
        write_tables(write, [table])
    return int(any(layer.image_bytes > LIMITS[program] for program, layer in layers.items()))


def build_table(layers: Mapping[str, Layer]) -> Table:
    """Build the table of sizes."""
    rows = tuple(
        (
            program,
            _megabytes(layer.image_bytes),
            _megabytes(LIMITS[program]),
            _megabytes(BASE_BYTES),
            _megabytes(layer.compressed_bytes),
            _megabytes(layer.unpacked_bytes),
            f"{layer.files:,}",
        )
        for program, layer in layers.items()
    )
    columns = ("image", "download", "limit", "of it the base", "of it /app", "/app unpacked", "files in /app")
    return Table(TABLE, "Sizes in MB", columns, rows)


def _megabytes(count: int) -> str:
    return f"{count / MEGABYTE:.0f}"


if __name__ == "__main__":
    sys.exit(main())
