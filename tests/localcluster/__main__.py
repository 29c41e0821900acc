"""`python -m localcluster`: a cluster to try things on, with a bucket where log files keep coming in, until Ctrl-C.

Nothing of this project is installed in it: that is what one wants to try.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from localcluster.apiserver import KIND_VARIABLE, ApiServerKind, parse_kind
from localcluster.assets import find_control_plane, find_helm, find_kubectl
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT
from localcluster.certificates import write_private
from localcluster.corpus import generate_log_files
from localcluster.demo.display import Display
from localcluster.demo.stage import open_stage
from localcluster.trail import Trail

ENVIRONMENT_FILE = Path(".cache", "cluster.env")
STORAGE_NAME = "acme"
SECONDS_BETWEEN_FILES = 2.0
OUR_PROGRAMS = ("cloudtrail-collector", "cloudtrail-operator", "kubectl-cloudtrail")


def main() -> int:
    """Run until Ctrl-C or SIGTERM, and leave nothing behind."""
    display = Display()
    # A shell that starts it in the background lets it inherit that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, _exit_on_signal)
    signal.signal(signal.SIGTERM, _exit_on_signal)
    display.title(
        "A cluster to try cloudtrail-operator on",
        [
            "A Kubernetes API server, a node that runs pods as processes of yours, and a stand-in for AWS that enforces IAM."
        ],
    )
    try:
        with tempfile.TemporaryDirectory(prefix="cloudtrail-cluster-", ignore_cleanup_errors=True) as directory:
            _run(display, Path(directory))
    except KeyboardInterrupt:
        display.line("Everything was stopped and removed.")
    except (RuntimeError, ValueError, OSError, subprocess.SubprocessError, BotoCoreError, ClientError) as error:
        display.error(f"The cluster could not be set up, or has ended: {error}")
        return 1
    return 0


def _run(display: Display, directory: Path) -> None:
    with open_stage(display, directory, _choose_kind(), storage_name=STORAGE_NAME) as trail, _told_of(trail, directory):
        display.heading(
            f"Ready: a new log file comes into bucket {trail.storage.bucket} every {SECONDS_BETWEEN_FILES:g} s"
        )
        display.line(f"In another terminal:  . {ENVIRONMENT_FILE}")
        display.line("It sets KUBECONFIG, and puts kubectl, helm and this project's commands on the PATH.")
        display.line("Ctrl-C here stops and removes everything.")
        for number in count():
            trail.upload(generate_log_files(1, seed=number))
            time.sleep(SECONDS_BETWEEN_FILES)


def _choose_kind() -> ApiServerKind:
    """Choose the real API server if it is at hand; never the user's cluster, where this project may be in use."""
    named = os.environ.get(KIND_VARIABLE)
    kind = parse_kind(named) if named else "real" if find_control_plane() else "embedded"
    if kind == "user":
        raise ValueError(f"{KIND_VARIABLE}=user: on a cluster of your own there is no need for this one")
    return kind


@contextmanager
def _told_of(trail: Trail, directory: Path) -> Iterator[None]:
    """Keep the file that a shell reads to know the cluster."""
    programs = directory / "bin"
    _link_programs(programs)
    exports = {
        "KUBECONFIG": str(trail.cluster.kubeconfig),
        "KUBECACHEDIR": str(directory / "kubectl-cache"),
        "AWS_ENDPOINT_URL": trail.aws.url,
        "AWS_REGION": trail.aws.region,
        **ADMIN_ENVIRONMENT,
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    lines.append("unset AWS_PROFILE AWS_SESSION_TOKEN\n")
    lines.append(f'export PATH={shlex.quote(str(programs))}:"$PATH"\n')
    ENVIRONMENT_FILE.parent.mkdir(exist_ok=True)
    write_private(ENVIRONMENT_FILE, "".join(lines).encode())
    try:
        yield
    finally:
        ENVIRONMENT_FILE.unlink(missing_ok=True)


def _link_programs(folder: Path) -> None:
    folder.mkdir()
    scripts = Path(sys.executable).parent
    for program in (find_kubectl(), find_helm(), *(scripts / name for name in OUR_PROGRAMS)):
        if program.exists():
            (folder / program.name).symlink_to(program)


def _exit_on_signal(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
