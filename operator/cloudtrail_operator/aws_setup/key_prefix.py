"""`spec.prefix` → which keys a role may read, which a bucket announces, and under what a trail delivers.

A trail writes `[prefix/]AWSLogs/…`. `spec.prefix` is the trail's own prefix, or goes further: `logs/AWSLogs/o-acme/`.
"""

import re

from cloudtrail_operator.aws_setup.documents import escape

FOLDER = "AWSLogs"
SUFFIX = ".json.gz"
"""What the name of a log file ends with."""

_FOLDER = re.compile(rf"(?:^|/)(?P<folder>{FOLDER})(?:/|$)")


def find_log_prefix(prefix: str | None) -> str:
    """Say what the keys of all log files to read begin with."""
    if prefix and _FOLDER.search(prefix):
        return f"{prefix}/" if prefix.rpartition("/")[2] == FOLDER else prefix
    return f"{prefix.rstrip('/')}/{FOLDER}/" if prefix else f"{FOLDER}/"


def find_trail_prefix(prefix: str | None) -> str:
    """Say what stands before the trail's folder: nothing, or a text that ends with a slash."""
    log_prefix = find_log_prefix(prefix)
    match = _FOLDER.search(log_prefix)
    return log_prefix[: match.start("folder")] if match else ""


def build_key_pattern(prefix: str | None) -> str:
    """Build the pattern, for IAM, that the keys of all log files to read match."""
    return f"{escape(find_log_prefix(prefix))}*"
