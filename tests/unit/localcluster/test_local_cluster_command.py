"""`python -m localcluster`, before it starts anything; tests/cluster/test_readme.py has the rest."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "said"), [("user", "no need for this one"), ("kind", "not an API server that we know")]
)
def test_it_refuses_what_it_cannot_run(kind: str, said: str, tmp_path: Path) -> None:
    """The cluster of KUBECONFIG is never touched: this project may be in use there."""
    environment = {
        "PYTHONPATH": str(TESTS),
        "CLOUDTRAIL_API_SERVER": kind,
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    answer = subprocess.run(
        [sys.executable, "-m", "localcluster"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert said in " ".join((answer.stdout + answer.stderr).split())
    assert list(tmp_path.rglob("cluster.env")) == []
