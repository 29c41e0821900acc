"""`python -m cloudtrail_spec DIRECTORY…`: writes the generated CRDs into each directory."""

import sys
from pathlib import Path

from cloudtrail_spec.crd import build_crds, render_yaml


def main(directories: list[str]) -> int:
    """Write `<plural>.yaml` of every kind into each directory."""
    if not directories:
        sys.stderr.write("usage: python -m cloudtrail_spec DIRECTORY...\n")
        return 2
    for plural, manifest in build_crds().items():
        for directory in directories:
            Path(directory, f"{plural}.yaml").write_text(render_yaml(manifest), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
