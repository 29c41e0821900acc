"""How far a share is: noted, gone on with, and never overwritten by a worker that was replaced."""

import threading
from pathlib import Path

import pytest

from cloudtrail_collector.adapters.progress_file import ProgressFile
from cloudtrail_collector.errors import ProgressConflictError, ProgressRefusedError, ShareLostError
from cloudtrail_collector.pipeline.checkpoint import Checkpoint
from cloudtrail_spec.backfill_task import BackfillProgress, Position


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "progress.json"


def build_checkpoint(file: Path, holder: str) -> Checkpoint:
    return Checkpoint(ProgressFile(file), holder, threading.Event())


def move(progress: BackfillProgress, unit: str) -> BackfillProgress:
    return progress.model_copy(update={"position": Position(unit=unit)})


def test_a_successor_goes_on_where_the_one_before_has_noted(file: Path) -> None:
    first = build_checkpoint(file, "first")
    progress = first.claim("hash", 3)
    assert (progress.share, progress.task_hash, progress.position) == (3, "hash", Position())
    first.save(move(progress, "one"))
    again = build_checkpoint(file, "second").claim("hash", 3)
    assert (again.position.unit, again.holder, again.started_at) == ("one", "second", progress.started_at)


def test_a_worker_that_was_replaced_stops_and_changes_nothing(file: Path) -> None:
    old, new = build_checkpoint(file, "old"), build_checkpoint(file, "new")
    old_progress = old.claim("hash", 0)
    new_progress = new.claim("hash", 0)
    with pytest.raises(ShareLostError, match="share 0 is now worked on by new"):
        old.save(move(old_progress, "of the old one"))
    new.save(move(new_progress, "of the new one"))
    noted = ProgressFile(file).read().progress
    assert noted is not None
    assert noted.position.unit == "of the new one"


def test_another_task_or_share_begins_anew(file: Path) -> None:
    checkpoint = build_checkpoint(file, "one")
    checkpoint.save(move(checkpoint.claim("hash", 0), "somewhere"))
    assert build_checkpoint(file, "two").claim("other", 0).position == Position()
    assert build_checkpoint(file, "three").claim("other", 1).position == Position()


def test_a_new_try_is_no_failure_any_more(file: Path) -> None:
    checkpoint = build_checkpoint(file, "one")
    checkpoint.save(checkpoint.claim("hash", 0).model_copy(update={"failed": True}))
    assert not build_checkpoint(file, "two").claim("hash", 0).failed


def test_who_writes_over_something_newer_is_told(file: Path) -> None:
    store = ProgressFile(file)
    version = store.read().version
    store.write(BackfillProgress(task_hash="a", share=0), version)
    with pytest.raises(ProgressConflictError):
        store.write(BackfillProgress(task_hash="b", share=0), version)


def test_a_file_of_something_else_is_left_alone(file: Path) -> None:
    file.write_text('{"some": "thing"}')
    with pytest.raises(ProgressRefusedError, match="is not the progress of a backfill"):
        ProgressFile(file).read()
    assert file.read_text() == '{"some": "thing"}'


def test_fields_of_later_versions_are_ignored(file: Path) -> None:
    file.write_text('{"taskHash": "a", "share": 0, "invented": {"later": 1}}')
    noted = ProgressFile(file).read().progress
    assert noted == BackfillProgress(task_hash="a", share=0)
