"""`spec.prefix` → which keys a role may read, and under what a trail delivers."""

from cloudtrail_operator.aws_setup.documents import escape
from cloudtrail_spec.log_prefix import FOLDER_PATTERN, find_log_prefix


def find_trail_prefix(prefix: str | None) -> str:
    """Say what stands before the trail's folder: nothing, or a text that ends with a slash."""
    log_prefix = find_log_prefix(prefix)
    match = FOLDER_PATTERN.search(log_prefix)
    return log_prefix[: match.start("folder")] if match else ""


def build_key_pattern(prefix: str | None) -> str:
    """Build the pattern, for IAM, that the keys of all log files to read match."""
    return f"{escape(find_log_prefix(prefix))}*"
