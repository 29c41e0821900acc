"""The README's quick start, and the page that goes on from it, are played from the first command to the last.

The shell blocks of both pages are run as they stand, in order, by one shell in a folder like a fresh clone. `make cluster`
runs beside it, as in the README's first terminal, and is ended by Ctrl-C.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcluster.apiserver import KIND_VARIABLE, choose_kind
from localcluster.tether import tether
from support.pages import ROOT, find_blocks
from support.pods import wait_until

PAGES = (ROOT / "README.md", ROOT / "docs" / "quick-start.md")
FIRST_TERMINAL = "make cluster\n"
SHELL_LANGUAGES = ("bash", "shell", "zsh", "sh-session")
ENVIRONMENT_FILE = Path(".cache", "cluster.env")
# The environment of these tests is the one that `make setup` made: it need not be made again.
MAKE_FLAGS = " -- UV=/bin/true RUN=env"
SHELL_SECONDS = 240


def read_blocks(page: Path) -> list[str]:
    """Read the shell blocks of a page."""
    return [block.body for block in find_blocks(page.read_text(encoding="utf-8"), "sh")]


@dataclass(frozen=True, slots=True)
class Played:
    """What each block of the second terminal printed, and what was left when the first one had been ended."""

    clone: Path
    printed: dict[str, str]
    first_terminal: str
    processes: list[Path]

    def find(self, word: str) -> str:
        """Give what the first block with this word printed."""
        return next(text for block, text in self.printed.items() if word in block)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Both pages, played."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "charts", "tests"):
        (clone / name).symlink_to(ROOT / name)
    environment = _build_environment(clone)
    blocks = [block for page in PAGES for block in read_blocks(page) if block != FIRST_TERMINAL]
    with _first_terminal(clone, environment) as make:
        wait_until((clone / ENVIRONMENT_FILE).exists, "the local cluster is ready", 90)
        printed = _run(blocks, clone, environment)
        processes = _list_descendants(make.pid)
    return Played(clone, printed, (clone / "make.log").read_text(), processes)


def _build_environment(clone: Path) -> dict[str, str]:
    """Build a user's environment: no kubectl or helm on the PATH that `make cluster` has not put there."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("MAKEFILES", "XDG_CACHE_HOME", "KUBEBUILDER_ASSETS")
    }
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(clone),
        "XDG_CACHE_HOME": cache,
        "MAKEFLAGS": MAKE_FLAGS,
        KIND_VARIABLE: choose_kind(),
    }


@contextmanager
def _first_terminal(clone: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `make cluster` until the block ends, then press Ctrl-C."""
    with (clone / "make.log").open("wb") as log:
        make = subprocess.Popen(
            tether(["/bin/sh", "-c", f"exec {FIRST_TERMINAL}"]),
            cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield make
    finally:
        os.killpg(make.pid, signal.SIGINT)
        try:
            make.wait(60)
        finally:
            make.kill()


def _run(blocks: list[str], clone: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run all blocks in one shell; give what each printed. The first command that fails ends the test."""
    mark = f"=== {secrets.token_hex(8)}"
    script = "".join(["set -e\n", *(f"echo '{mark}'\n{block}" for block in blocks)])
    answer = subprocess.run(
        ["/bin/sh", "-c", script], cwd=clone, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SHELL_SECONDS, check=False,
    )  # fmt: skip
    texts = answer.stdout.split(f"{mark}\n")[1:]
    assert answer.returncode == 0, f"{blocks[len(texts) - 1]}\nended with {answer.returncode}:\n{texts[-1]}"
    return dict(zip(blocks, texts, strict=True))


def _list_descendants(pid: int) -> list[Path]:
    """List the processes that a process started, and those that they started, by their folders in /proc."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parents[int(status.parent.name)] = int(re.findall(r"^PPid:\s+(\d+)$", status.read_text(), re.MULTILINE)[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [Path("/proc", str(one)) for one in found]


def test_no_block_is_left_out() -> None:
    """Every block in a shell's language is run, but for the one that has a terminal of its own."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert [
            info for info in re.findall(r"^ *```(.+)$", text, re.MULTILINE) if info.split(" ")[0] in SHELL_LANGUAGES
        ] == []
        assert text.count("```sh") == len(read_blocks(page)) > 0
    assert read_blocks(PAGES[0])[0] == FIRST_TERMINAL


def test_events_arrive_filtered(played: Played) -> None:
    lines = played.find("grep --max-count=3 eventID").splitlines()
    events = [json.loads(line) for line in lines]
    assert len(events) == 3
    for event in events:
        assert event["eventID"]
        assert not (event["readOnly"] and event["eventName"].startswith(("Describe", "List", "Get")))
    filtered = re.search(r"^ +Filtered: +(\d+)$", played.find("kubectl describe"), re.MULTILINE)
    assert filtered is not None
    assert int(filtered[1]) > 0


def test_the_source_is_ready_in_both_modes(played: Played) -> None:
    assert "condition met" in played.find("kubectl create namespace security")
    rows = [line.split() for line in played.find("sed -i").splitlines()]
    assert [row[:4] for row in rows if row[0] == "org-trail"] == [["org-trail", "Active", "True", "Collecting"]]


def test_the_command_line_reads_the_bucket(played: Played) -> None:
    text = played.find("cloudtrail-collector events")
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [event["event"]["action"].startswith(("Create", "Put")) for event in events] == [True, True]
    assert "org-trail.yaml is valid" in text


def test_what_is_broken_is_named(played: Played) -> None:
    text = played.find("sqs:us-east-1:111122223333:elsewhere")
    assert "sqs:ReceiveMessage on arn:aws:sqs:us-east-1:111122223333:elsewhere" in text


def test_everything_is_removed(played: Played) -> None:
    assert "Everything was stopped and removed." in played.first_terminal
    assert 'release "cloudtrail-operator" uninstalled' in played.find("helm uninstall")
    assert len(played.processes) > 4
    assert [process.name for process in played.processes if process.exists()] == []
    assert list((played.clone / ".cache").iterdir()) == []
    assert not (played.clone / "org-trail.yaml").exists()
