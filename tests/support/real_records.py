"""Real CloudTrail records of third parties, read in place, and what in them masks must hide."""

import functools
import gzip
import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEST_DATA = Path(os.environ.get("CLOUDTRAIL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@functools.cache
def read_real_records() -> tuple[bytes, ...]:
    """Read every record, one JSON object each. Tests that do so are marked `third_party_data`."""
    files = sorted((TEST_DATA / "records").glob("*.ndjson.gz"))
    return tuple(line for file in files for line in gzip.decompress(file.read_bytes()).splitlines())


def list_secrets(record: Any) -> Iterator[str]:
    """List patterns of what all presets together hide of a parsed record."""
    for name, text in _list_members(record):
        is_secret = (
            re.fullmatch(r"(AKIA|ASIA|AROA)[A-Z0-9]{16,17}", text)
            or (name == "sourceIPAddress" and _is_address(text))
            or (name in {"sessionToken", "secretAccessKey"} and text)
            or (name in {"accountId", "recipientAccountId"} and re.fullmatch("[0-9]{12}", text))
        )
        if is_secret and text not in {"0.0.0.0", "0" * 12}:
            # Made-up eventIDs end in made-up account ids; the end of a UUID is left on purpose.
            yield rf"(?<![0-9.])(?<!-[0-9a-f]{{4}}-){re.escape(text)}(?![0-9])"
        elif name == "userName" and re.fullmatch(r"[\w-]+", text) and text != "HIDDEN_DUE_TO_SECURITY_REASONS":
            yield rf"(?<![\w.@-]){re.escape(text)}(?![\w@-]|\.\w)"


def _list_members(value: Any) -> Iterator[tuple[str, str]]:
    """List every text with the name of its field, lists and nested objects included."""
    items = value.items() if isinstance(value, dict) else [("", item) for item in value]
    for name, member in items:
        if isinstance(member, dict | list):
            yield from _list_members(member)
        elif isinstance(member, str):
            yield name, member


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
