"""What the benchmarks read and write: giants are valid gzip, counts are those of the files, tables land in the document."""

import gzip
import json
import zlib
from pathlib import Path

import pytest

from bench.files import QUIET, FileSet, load_corpus, write_corpus
from bench.giants import build_gzip, write_giants
from bench.tables import Table, render_markdown, write_tables

TABLE = Table("curve", "A curve", ("way", "MB/s"), (("a | b", "7"),), ("A note.",))


def test_repeated_blocks_make_one_valid_gzip_stream() -> None:
    block = b"all the same " * 5000
    assert gzip.decompress(build_gzip(b"head ", block, 7, b"tail")) == b"head " + block * 7 + b"tail"


def test_giants_hold_what_the_index_says(tmp_path: Path) -> None:
    ordinary = write_corpus(QUIET, 4, tmp_path / "ordinary")
    giants = write_giants(
        tmp_path / "giants", ordinary, large=1, large_bytes=8_000_000, bombs=2, bomb_bytes=64 * 1024 * 1024
    )
    assert load_corpus(giants.directory) == giants
    (large,) = {file for file in giants.files if file.name.startswith("large")}
    text = gzip.decompress((giants.directory / large.name).read_bytes())
    assert len(text) == large.uncompressed > 7_000_000
    assert len(json.loads(text)["Records"]) == large.events
    (bomb,) = {file for file in giants.files if file.name.startswith("bomb")}
    body = (giants.directory / bomb.name).read_bytes()
    assert len(zlib.decompress(body, 31)) > 64 * 1024 * 1024 > 500 * len(body)
    assert [file.name for file in giants.files].count(bomb.name) == 2


def test_totals_over_objects_go_round_the_files(tmp_path: Path) -> None:
    corpus = write_corpus(FileSet("few", 8, 0.5, ""), 3, tmp_path / "corpus")
    events = [file.events for file in corpus.files]
    assert corpus.total("events") == sum(events)
    assert corpus.total("events", 7) == 2 * sum(events) + events[0]


def test_table_replaces_what_stands_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- curve -->\nold\n<!-- /curve -->\nafter\n")
    write_tables(document, [TABLE])
    assert document.read_text() == f"before\n<!-- curve -->\n{render_markdown(TABLE)}\n<!-- /curve -->\nafter\n"
    assert r"| a \| b | 7 |" in document.read_text()


def test_table_without_markers_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="has no <!-- curve -->"):
        write_tables(document, [TABLE])
