"""`spec.prefix` → what the keys of all log files to read begin with.

A trail writes `[prefix/]AWSLogs/…`. `spec.prefix` is the trail's own prefix, or goes further: `logs/AWSLogs/o-acme/`.
"""

import re

FOLDER = "AWSLogs"
SUFFIX = ".json.gz"
"""What the name of a log file ends with."""

FOLDER_PATTERN = re.compile(rf"(?:^|/)(?P<folder>{FOLDER})(?:/|$)")


def find_log_prefix(prefix: str | None) -> str:
    """Say what the keys of all log files to read begin with."""
    if prefix and FOLDER_PATTERN.search(prefix):
        return f"{prefix}/" if prefix.rpartition("/")[2] == FOLDER else prefix
    return f"{prefix.rstrip('/')}/{FOLDER}/" if prefix else f"{FOLDER}/"
