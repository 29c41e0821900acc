"""`python -m localcluster.demo [--keep]`: plays the demo; exit code 0 only when every number is right."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from localcluster.apiserver import choose_api_server
from localcluster.demo import source
from localcluster.demo.display import Display
from localcluster.demo.stage import Stage, set_stage
from localcluster.demo.story import DemoError, Story


def main() -> int:
    """Play the demo and clean up, whatever happens."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    keep = parser.parse_args().keep
    display = Display()
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        with tempfile.TemporaryDirectory(prefix="cloudtrail-demo-", ignore_cleanup_errors=True) as directory:
            return _play(display, Path(directory), keep=keep)
    except KeyboardInterrupt:
        display.error("Interrupted; everything was stopped and removed.")
        return 130


def _play(display: Display, directory: Path, *, keep: bool) -> int:
    display.title(
        "cloudtrail-operator: the whole path on this machine",
        [
            "AWS is a stand-in (ministack) with IAM enforcement on; everything else is real.",
            *choose_api_server().describe(),
        ],
    )
    with set_stage(display, directory) as stage:
        try:
            is_right = Story(stage, display).play()
        except (DemoError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            display.error(f"The demo failed: {error}")
            display.error(getattr(error, "stderr", None) or "")
            _show_what_helps(stage, display)
            is_right = False
        if keep:
            _keep(stage, display)
    return 0 if is_right else 1


def _show_what_helps(stage: Stage, display: Display) -> None:
    for command in (
        ["describe", "cts", "-n", source.NAMESPACE],
        ["get", "pods", "-A", "-o", "wide"],
        ["logs", "-n", "cloudtrail-system", "-l", "app.kubernetes.io/name=cloudtrail-operator", "--tail=30"],
        ["logs", "-n", source.NAMESPACE, "-l", source.SELECTOR, "--tail=30"],
    ):
        output = stage.cluster.kubectl(*command, check=False)
        display.command("kubectl " + " ".join(command), output.stdout + output.stderr)


def _keep(stage: Stage, display: Display) -> None:
    stage.apply_mode("Active")
    stage.wait_ready()
    address = stage.cluster.pods(source.NAMESPACE, source.SELECTOR)[0]["status"]["podIP"]
    display.heading("Left running until Ctrl-C, in mode Active")
    display.line(f"export KUBECONFIG={stage.cluster.api_server.kubeconfig}")
    display.line(f"curl http://{address}:8080/metrics")
    kubectl = Path(sys.executable).parent / "kubectl"
    for command in (
        f"get cts -n {source.NAMESPACE} -o wide",
        f"describe cts {source.NAME} -n {source.NAMESPACE}",
        "explain cts.spec.mode",
    ):
        display.line(f"{os.path.relpath(kubectl)} {command}")
    signal.pause()


def _exit_on_signal(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
