"""`python -m localcluster.demo [--keep] [--svg FILE]`: plays the demo; exit code 0 only when every number is right."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from localcluster.apiserver import ApiServerKind, choose_kind
from localcluster.demo.display import Display
from localcluster.demo.picture import create_recording, write_picture
from localcluster.demo.stage import FILTERS, set_stage
from localcluster.demo.story import Story
from localcluster.trail import TimedOutError, Trail

API_SERVERS: dict[ApiServerKind, str] = {
    "user": "the cluster of your KUBECONFIG",
    "real": "a real kube-apiserver, etcd and kube-controller-manager",
    "embedded": "an embedded emulator (the real one needs Go: make envtest)",
}


def main() -> int:
    """Play the demo and clean up, whatever happens."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a picture of what the terminal showed")
    options = parser.parse_args()
    recording = create_recording() if options.svg else None
    display = Display(recording=recording)
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        with tempfile.TemporaryDirectory(prefix="cloudtrail-demo-", ignore_cleanup_errors=True) as directory:
            code = _play(display, Path(directory), keep=options.keep)
    except KeyboardInterrupt:
        display.error("Interrupted; everything was stopped and removed.")
        return 130
    except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
        display.error(f"The demo could not be set up: {error}")
        return 1
    if recording is not None:
        write_picture(recording, options.svg, title="make demo")
    return code


def _play(display: Display, directory: Path, *, keep: bool) -> int:
    display.title(
        "cloudtrail-operator: the whole path on this machine",
        [
            f"API server: {API_SERVERS[choose_kind()]}",
            "AWS: a stand-in (ministack) with IAM enforcement on",
        ],
    )
    with set_stage(display, directory) as trail:
        try:
            is_right = Story(trail, display).play()
        except (TimedOutError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            display.error(f"The demo failed: {error}")
            display.error(getattr(error, "stderr", None) or "")
            _show_what_helps(trail, display)
            is_right = False
        if keep:
            _keep(trail, display)
    return 0 if is_right else 1


def _show_what_helps(trail: Trail, display: Display) -> None:
    for command in (
        ["describe", "cts", "-n", trail.namespace],
        ["get", "pods", "-A", "-o", "wide"],
        ["logs", "-n", "cloudtrail-system", "-l", "app.kubernetes.io/name=cloudtrail-operator", "--tail=30"],
        ["logs", "-n", trail.namespace, "-l", trail.selector, "--tail=30"],
    ):
        output = trail.cluster.kubectl(*command, check=False)
        display.command("kubectl " + " ".join(command), output.stdout + output.stderr)


def _keep(trail: Trail, display: Display) -> None:
    trail.apply("Active", filters=FILTERS)
    trail.wait_ready()
    address = trail.list_pods()[0]["status"]["podIP"]
    display.heading("Left running until Ctrl-C, in mode Active")
    display.line(f"export KUBECONFIG={trail.cluster.api_server.kubeconfig}")
    display.line(f"curl http://{address}:8080/metrics")
    kubectl = Path(sys.executable).parent / "kubectl"
    for command in (
        f"get cts -n {trail.namespace} -o wide",
        f"describe cts {trail.name} -n {trail.namespace}",
        "explain cts.spec.mode",
    ):
        display.line(f"{os.path.relpath(kubectl)} {command}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        display.line("Stopping and removing everything.")


def _exit_on_signal(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
