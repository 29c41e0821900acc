"""A command → the same command with a root file system that cannot be written, as user 65532 where that can be chosen.

What a pod with the chart's security context has, but for the `emptyDir` at /tmp: here nothing at all can be written.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

USER = "65532"

# Both the root and the folder: they may be mounts of their own.
_MAKE_READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -o remount,bind,ro /
shift
exec "$@"
"""


def build_command(folder: Path, command: Sequence[str | Path]) -> list[str | Path]:
    """Build the command; `folder` holds what it runs."""
    is_root = os.geteuid() == 0
    own_mounts = ["unshare", "--mount"] if is_root else ["unshare", "--user", "--map-root-user", "--mount"]
    as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    inner = [*as_user, *command] if is_root else command
    return [*own_mounts, "sh", "-euc", _MAKE_READ_ONLY, "sh", folder, *inner]


def explain_missing(folder: Path) -> str | None:
    """Say why this machine cannot do it; None when it can."""
    ended = subprocess.run(build_command(folder, ["true"]), capture_output=True, text=True, check=False)
    return ended.stderr.strip() or "unshare failed" if ended.returncode else None
