"""The sink `file` on a real disk: nothing is accepted that is not there, no line is torn, files rotate and are kept."""

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_collector.adapters.appended_file import AppendedFile, RotationLimits
from cloudtrail_collector.adapters.rotated_files import Keeping, RotatedFiles
from cloudtrail_collector.adapters.sinks.file import FileSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.sinks.rotated_names import RotatedNames
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget

MEBIBYTE = 1024 * 1024
NOON = 1_769_860_800.0
LIMITS = RotationLimits(max_bytes=100, max_age_seconds=60)
Build = Callable[..., FileSink]


def build_batch(*lines: bytes) -> Batch:
    return Batch(b"".join(line + b"\n" for line in lines), len(lines))


def build_big(number: int, size: int = 600 * 1024) -> Batch:
    return build_batch(b"%d:" % number + b"x" * size)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def read_rotated(folder: Path) -> dict[str, bytes]:
    """Read the rotated files, unpacked, by name; what is being made is hidden. One may be packed while it is read."""
    while True:
        paths = sorted(path for path in folder.iterdir() if path.name.startswith("events-"))
        with suppress(FileNotFoundError):
            return {path.name: _unpack(path) for path in paths}


def _unpack(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "events.ndjson"


@pytest.fixture
def build(path: Path) -> Iterator[Build]:
    built: list[FileSink] = []

    def build_one(timeout: int = 20, **settings: Any) -> FileSink:
        spec = {"name": "disk", "timeoutSeconds": timeout, "file": {"path": str(path), "maxBytes": MEBIBYTE} | settings}
        sink = FileSink(SinkTarget.model_validate(spec))
        built.append(sink)
        return sink

    yield build_one
    for sink in built:
        sink.close()


def test_batches_are_appended_in_order_and_the_folder_is_made(build: Build, path: Path) -> None:
    sink = build()
    assert list(sink.deliver(build_batch(b"1", b"2"))) == []
    sink.deliver(Batch(memoryview(b"3\n"), 1))
    assert path.read_bytes() == b"1\n2\n3\n"
    sink.close()
    build().deliver(build_batch(b"4"))
    assert path.read_bytes() == b"1\n2\n3\n4\n"


def test_the_host_name_stands_in_the_path(build: Build, tmp_path: Path) -> None:
    build(path=f"{tmp_path}/{{host}}/events-{{host}}.ndjson").deliver(build_batch(b"1"))
    host = socket.gethostname()
    assert (tmp_path / host / f"events-{host}.ndjson").read_bytes() == b"1\n"


def test_batches_of_many_threads_do_not_mix(build: Build, path: Path) -> None:
    sink = build()
    wanted = sorted(b"%d-%d-%s" % (thread, number, b"y" * 2000) for thread in range(8) for number in range(20))

    def deliver(thread: int) -> None:
        for number in range(20):
            sink.deliver(build_batch(b"%d-%d-%s" % (thread, number, b"y" * 2000)))

    threads = [threading.Thread(target=deliver, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_bytes().splitlines()) == wanted


def test_a_torn_last_line_is_cut_before_the_next_one(build: Build, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"n":1}\n{"n":2}\n{"n":' + b"3" * 200_000)
    build().deliver(build_batch(b'{"n":4}'))
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n{"n":4}\n'


def test_a_file_without_one_whole_line_begins_anew(build: Build, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"torn")
    build().deliver(build_batch(b"1"))
    assert path.read_bytes() == b"1\n"


@pytest.mark.parametrize("compression", ["None", "Gzip"])
def test_a_file_is_rotated_before_it_grows_too_large(build: Build, path: Path, compression: str) -> None:
    sink = build(compression=compression)
    for number in range(4):
        sink.deliver(build_big(number))
    suffix = ".ndjson.gz" if compression == "Gzip" else ".ndjson"
    wait_until(lambda: [name.endswith(suffix) for name in read_rotated(path.parent)] == [True] * 3, "rotated files")
    rotated = read_rotated(path.parent)
    assert sorted(rotated.values()) == [bytes(build_big(number).payload) for number in range(3)]
    assert path.read_bytes() == build_big(3).payload
    assert not list(path.parent.glob(".*.part"))


def test_only_the_newest_of_our_own_files_are_kept(build: Build, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "events-keep.ndjson").write_text("somebody's\n")
    oldest = path.parent / "events-20200101T000000.000Z.ndjson.gz"
    oldest.write_bytes(gzip.compress(b"old\n"))
    sink = build(maxFiles=2)
    for number in range(5):
        sink.deliver(build_big(number))
    wait_until(lambda: len(read_rotated(path.parent)) == 3, "the surplus to go")
    rotated = read_rotated(path.parent)
    assert rotated.pop("events-keep.ndjson") == b"somebody's\n"
    assert sorted(rotated.values()) == [bytes(build_big(number).payload) for number in (2, 3)]


def test_an_old_file_is_rotated_though_no_event_comes(build: Build, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"old\n")
    birth = path.parent / ".events.ndjson.since"
    birth.touch()
    # A second is left to this age.
    os.utime(birth, (time.time() - 59, time.time() - 59))
    build(maxAgeSeconds=60).deliver(build_batch(b"new"))
    # On a slow machine it is so old before the event is there.
    wait_until(lambda: list(read_rotated(path.parent).values()) in ([b"old\nnew\n"], [b"old\n"]), "the rotation")


def test_the_age_counts_from_the_first_line_and_outlives_a_restart(path: Path) -> None:
    file = AppendedFile(path, LIMITS)
    file.append([b"1\n"], NOON)
    file.append([b"2\n"], NOON + 50)
    file.close()
    restarted = AppendedFile(path, LIMITS)
    assert not restarted.rotate_if_due(NOON + 59, 0)
    assert restarted.find_seconds_left(NOON + 59) == 1
    assert restarted.rotate_if_due(NOON + 60, 0)
    assert read_rotated(path.parent) == {"events-20260131T120100.000Z.ndjson": b"1\n2\n"}
    restarted.append([b"3\n"], NOON + 100)
    assert not restarted.rotate_if_due(NOON + 159, 0)
    restarted.close()


def test_two_rotations_within_a_second_do_not_meet(path: Path) -> None:
    file = AppendedFile(path, LIMITS)
    for number in range(3):
        file.rotate_if_due(NOON, 99)
        file.append([b"%d\n" % number], NOON)
    assert list(read_rotated(path.parent).values()) == [b"1\n", b"0\n"]  # "-2" sorts before "."
    file.close()


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_file_that_was_moved_or_removed_is_opened_anew(build: Build, path: Path, is_removed: bool) -> None:
    sink = build()
    sink.deliver(build_batch(b"1"))
    moved = path.with_name("moved")
    path.rename(moved)
    if is_removed:
        moved.unlink()
        (path.parent / ".events.ndjson.since").unlink()
        path.parent.rmdir()
    sink.deliver(build_batch(b"2"))
    assert path.read_bytes() == b"2\n"
    assert is_removed or moved.read_bytes() == b"1\n"


def test_a_file_that_was_emptied_in_place_goes_on(build: Build, path: Path) -> None:
    sink = build()
    sink.deliver(build_batch(b"1"))
    os.truncate(path, 0)
    sink.deliver(build_batch(b"2"))
    assert path.read_bytes() == b"2\n"


def test_two_writers_of_one_file_are_refused_until_the_first_ends(build: Build, path: Path) -> None:
    first, second = build(), build()
    first.deliver(build_batch(b"1"))
    with pytest.raises(SinkError) as caught:
        second.deliver(build_batch(b"2"))
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    assert caught.value.message.endswith("another process or sink appends to it; put {host} into the path")
    first.close()
    second.deliver(build_batch(b"2"))
    assert path.read_bytes() == b"1\n2\n"


def test_a_path_through_a_file_is_told_in_plain_words(build: Build, path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(SinkError) as caught:
        build().deliver(build_batch(b"1"))
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    assert str(path) in caught.value.message
    path.parent.unlink()
    # A folder in the place of the file.
    path.mkdir(parents=True)
    with pytest.raises(SinkError, match="it is a folder"):
        build().deliver(build_batch(b"1"))


# A child that drops to the user `nobody` where the tests run as root, and writes to a file that it may not write.
DENIED = """
import os, sys
from cloudtrail_collector.adapters.sinks.file import FileSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.sinks import SinkTarget
sink = FileSink(SinkTarget.model_validate({"name": "disk", "file": {"path": sys.argv[1]}}))
if os.getuid() == 0:
    os.setuid(65534)
try:
    sink.deliver(Batch(b"1\\n", 1))
except SinkError as error:
    print(error.code, error.reason.value, error.message)
"""


def test_a_missing_right_is_told_in_plain_words(tmp_path: Path) -> None:
    folder = tmp_path / "denied"
    folder.mkdir(mode=0o500)
    path = folder / "events.ndjson"
    answer = subprocess.run([sys.executable, "-c", DENIED, str(path)], capture_output=True, text=True, check=True)
    words = "permission denied; fsGroup or the volume's owner must let the collector's user write"
    assert answer.stdout == f"EACCES SinkMisconfigured {path} cannot be written: {words}\n"


# The limit of a process on the size of a file stands in for a full disk: part of a write succeeds, the rest does not.
FULL = """
import resource, signal, sys
from pathlib import Path
from cloudtrail_collector.adapters.sinks.file import FileSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.sinks import SinkTarget
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sink = FileSink(SinkTarget.model_validate({"name": "disk", "file": {"path": sys.argv[1]}}))
sink.deliver(Batch(b"1\\n", 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    sink.deliver(Batch(b"x" * 10_000 + b"\\n", 1))
except SinkError as error:
    print(error.code, error.message)
print(Path(sys.argv[1]).read_bytes())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.deliver(Batch(b"2\\n", 1))
"""


def test_a_write_that_fails_half_way_leaves_nothing_and_the_next_one_goes_on(path: Path) -> None:
    answer = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == [f"EFBIG {path} cannot be written: File too large", r"b'1\n'"]
    assert path.read_bytes() == b"1\n2\n"


def test_a_full_device_is_told_in_plain_words(build: Build, path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    with pytest.raises(SinkError) as caught:
        build().deliver(build_batch(b"1"))
    assert (caught.value.code, caught.value.reason) == ("ENOSPC", Reason.SINK_UNREACHABLE)
    assert caught.value.message == f"{path} cannot be written: the volume is full"


def test_a_disk_that_hangs_ends_with_the_timeout_and_what_was_called_off_is_not_written(
    build: Build, path: Path
) -> None:
    path.parent.mkdir()
    os.mkfifo(path)  # opened for reading and writing it takes 64 KiB, then no more until somebody reads
    sink = build(timeout=1)
    with pytest.raises(SinkError) as caught:
        sink.deliver(build_big(1, 200_000))
    assert caught.value.code == ACK_TIMEOUT
    with pytest.raises(SinkError, match="within 1 s"):
        sink.deliver(build_batch(b"called off"))
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    got = bytearray()

    def read_more() -> bool:
        got.extend(read_some(reader))
        return len(got) >= 200_003

    wait_until(read_more, "the first batch")
    os.close(reader)
    sink.close()
    assert b"called off" not in got


def read_some(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except BlockingIOError:
        return b""


# Delivers numbered lines until it is killed; says each number when the sink has accepted it.
ENDLESS = """
import sys
from cloudtrail_collector.adapters.sinks.file import FileSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_spec.sinks import SinkTarget
spec = {"name": "disk", "file": {"path": sys.argv[1], "maxBytes": 1048576, "compression": "Gzip"}}
sink = FileSink(SinkTarget.model_validate(spec))
number = int(sys.argv[2])
while True:
    sink.deliver(Batch(b"".join(b"%d %s\\n" % (n, b"z" * 300) for n in range(number, number + 500)), 500))
    number += 500
    print(number, flush=True)
"""


def test_whatever_was_accepted_is_there_once_the_process_was_killed_again_and_again(path: Path, build: Build) -> None:
    accepted = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(path), str(accepted)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(25):
                accepted = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            # It may have gone on between the line that was read and its end.
            accepted = int((process.stdout.read().split("\n")[:-1] or [str(accepted)])[-1])
    sink = build(compression="Gzip")
    sink.deliver(build_batch(b"last"))
    wait_until(lambda: all(name.endswith(".gz") for name in read_rotated(path.parent)), "leftovers to be finished")
    text = b"".join(read_rotated(path.parent).values()) + path.read_bytes()
    lines = text.splitlines()
    numbers = {int(line.split()[0]) for line in lines if line != b"last"}
    assert set(range(accepted)) <= numbers
    assert {len(line.split()[1]) for line in lines if line != b"last"} == {300}
    assert not list(path.parent.glob(".*.part"))


def test_what_a_dead_process_has_left_is_finished(tmp_path: Path) -> None:
    """A half compressed file, one in both forms, and one that waits."""
    names = RotatedNames("events.ndjson")
    half, both, waiting = (f"events-2026013{day}T000000.000Z.ndjson" for day in (0, 1, 2))
    for name in (half, both, waiting):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / names.build_part(half)).write_bytes(b"\x1f\x8bhalf")
    (tmp_path / f"{both}.gz").write_bytes(gzip.compress(both.encode()))
    RotatedFiles(tmp_path, names, Keeping(None, gzip=True)).tidy()
    assert {path.name: gzip.decompress(path.read_bytes()) for path in tmp_path.iterdir()} == {
        f"{name}.gz": name.encode() for name in (half, both, waiting)
    }
