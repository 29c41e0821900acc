"""Starts a stand-in for AWS as a process of its own on loopback and waits until it answers."""

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from localcluster.aws.endpoint import ADMIN_ENVIRONMENT, AwsEndpoint
from localcluster.process import Process, free_port

AwsKind = Literal["moto", "ministack"]

REGION = "us-east-1"
ACCOUNT_IDS: dict[AwsKind, str] = {"moto": "123456789012", "ministack": "111122223333"}
MINISTACK = Path(__file__).parent / "ministack" / ".venv" / "bin" / "ministack"
HEALTH_PATHS: dict[AwsKind, str] = {"moto": "/moto-api/", "ministack": "/_ministack/health"}


@contextmanager
def running_aws(
    kind: AwsKind, directory: Path, *, enforce_iam: bool = False, port: int | None = None
) -> Iterator[AwsEndpoint]:
    """Run a stand-in until the block ends. Its log is `<directory>/<kind>.log`.

    `enforce_iam` (ministack only) checks signatures, policies, trust and conditions as AWS does. A given `port` lets a
    test restart a stand-in at the same address; what it held is gone. Raises RuntimeError when it does not come up.
    """
    if enforce_iam and kind != "ministack":
        raise ValueError("only ministack enforces IAM")
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": str(directory), **ADMIN_ENVIRONMENT}
    if kind == "moto":
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    else:
        command = [str(MINISTACK)]
        environment |= {
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT_IDS[kind],
            "MINISTACK_REGION": REGION,
            "AUTH": str(enforce_iam).lower(),
            "LOG_LEVEL": "WARNING",
        }
    directory.mkdir(parents=True, exist_ok=True)
    with Process(kind, command, directory / f"{kind}.log", environment=environment, directory=directory) as process:
        process.wait_ready(lambda: _answers(url + HEALTH_PATHS[kind]), timeout=60)
        yield AwsEndpoint(url, REGION, ACCOUNT_IDS[kind], enforce_iam)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  (loopback)
            return bool(response.status == 200)
    except OSError:
        return False
