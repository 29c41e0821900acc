"""Servers that we start end with us, however we end, and say why they did not come up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localcluster.process import Process, free_port

TESTS = Path(__file__).parents[2]
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def is_alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def build(tmp_path: Path, script: str) -> Process:
    return Process("server", [sys.executable, "-c", script], tmp_path / "server.log")


def wait_up(process: Process) -> None:
    process.wait_ready(lambda: "up" in process.log.read_text(encoding="utf-8"), timeout=10)


def test_process_is_stopped_when_the_block_ends(tmp_path: Path) -> None:
    with build(tmp_path, SLEEP) as process:
        wait_up(process)
        assert process.exit_code is None
    assert process.exit_code == -signal.SIGTERM


def test_process_that_ignores_sigterm_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    process = build(tmp_path, STUBBORN)
    process.start()
    wait_up(process)
    process.stop(grace=0.2)
    assert process.exit_code == -signal.SIGKILL
    process.stop()


def test_children_that_a_process_leaves_behind_are_stopped_too(tmp_path: Path) -> None:
    script = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), child.pid, flush=True)
time.sleep(600)
"""
    with build(tmp_path, script) as process:
        wait_up(process)
        child_id = int(process.log.read_text(encoding="utf-8").split()[1])
        assert is_alive(child_id)
    wait_until(lambda: not is_alive(child_id))


def test_process_that_ends_early_fails_at_once_with_its_last_words(tmp_path: Path) -> None:
    started = time.monotonic()
    words = r"(?s)server ended with code 1:.*the port is taken"
    process = build(tmp_path, "raise SystemExit('the port is taken')")
    with process, pytest.raises(RuntimeError, match=words):
        process.wait_ready(lambda: False, timeout=60)
    assert time.monotonic() - started < 10


def test_process_that_never_answers_times_out_with_its_log(tmp_path: Path) -> None:
    with build(tmp_path, SLEEP) as process:
        wait_up(process)
        with pytest.raises(RuntimeError, match=r"(?s)server was not ready after 0 s:.*up"):
            process.wait_ready(lambda: False, timeout=0.1)


def test_missing_program_is_named(tmp_path: Path) -> None:
    process = Process("server", ["no-such-program"], tmp_path / "log")
    with process, pytest.raises(RuntimeError, match="cannot start no-such-program"):
        process.wait_ready(lambda: False, timeout=10)


@pytest.mark.parametrize("thread", [False, True], ids=["main-thread", "thread-that-ends"])
def test_process_dies_with_a_killed_parent_but_not_with_the_thread_that_asked_for_it(
    tmp_path: Path, thread: bool
) -> None:
    script = f"""
import sys, threading, time
from pathlib import Path
from localcluster.process import Process
process = Process("server", [sys.executable, "-c", {SLEEP!r}], Path({str(tmp_path / "log")!r}))
if {thread}:
    starter = threading.Thread(target=process.start); starter.start(); starter.join()
else:
    process.start()
print(process.pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        child_id = int(parent.stdout.readline())
        wait_until(lambda: "up" in (tmp_path / "log").read_text(encoding="utf-8"))
        assert is_alive(child_id)
        parent.kill()
    wait_until(lambda: not is_alive(child_id))


def test_pipe_to_a_reader_that_is_gone_ends_the_process_as_usual(tmp_path: Path) -> None:
    """Python ignores SIGPIPE, and what is ignored would be inherited."""
    with Process("pipe", ["sh", "-c", "yes | true"], tmp_path / "log") as process:
        wait_until(lambda: process.exit_code is not None)
    assert "Broken pipe" not in process.log.read_text(encoding="utf-8")


def test_free_port_can_be_bound() -> None:
    assert 1024 < free_port() < 65536
