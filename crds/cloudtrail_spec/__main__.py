"""`python -m cloudtrail_spec DIRECTORY…`: writes the generated CRD into each directory."""

import sys
from pathlib import Path

from cloudtrail_spec.crd import PLURAL, build_source_crd, render_yaml


def main(directories: list[str]) -> int:
    """Write `cloudtrailsources.yaml` into each directory."""
    if not directories:
        sys.stderr.write("usage: python -m cloudtrail_spec DIRECTORY...\n")
        return 2
    text = render_yaml(build_source_crd())
    for directory in directories:
        Path(directory, f"{PLURAL}.yaml").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
