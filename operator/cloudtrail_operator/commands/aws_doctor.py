"""`cloudtrail-operator aws doctor`: the collector's command, which has the AWS client that the operator has not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "cloudtrail-collector"
MISSING = 2

ADVICE = """cloudtrail-operator aws doctor: the program cloudtrail-collector, which asks AWS, is not here. One of:
  install it:        pip install cloudtrail-collector
  use its image:     docker run --rm -i -v ~/.aws:/aws:ro -e AWS_CONFIG_FILE=/aws/config -e AWS_SHARED_CREDENTIALS_FILE=/aws/credentials COLLECTOR_IMAGE doctor -f - < source.yaml
  ask in a pod:      kubectl exec -n NAMESPACE deploy/SOURCE-collector -- cloudtrail-collector doctor
"""  # noqa: E501  (lines to copy)


def run_doctor(arguments: Sequence[str]) -> int:
    """Run the collector's command with the same arguments; return its exit code, or one where it is not installed."""
    program = find_program()
    if program is None:
        sys.stderr.write(ADVICE)
        return MISSING
    sys.stdout.flush()
    return subprocess.run([program, "doctor", *arguments], check=False).returncode


def find_program() -> str | None:
    """Find the program beside the running Python, else on the path."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
