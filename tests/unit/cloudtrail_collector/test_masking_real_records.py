"""Masks on real records, which are read in place: nothing that a preset hides is left anywhere."""

import gzip
import ipaddress
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_collector.core.masking import compile_masks
from cloudtrail_spec.masks import MaskPreset, MaskRule

TEST_DATA = Path(os.environ.get("CLOUDTRAIL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))

pytestmark = [
    pytest.mark.third_party_data,
    pytest.mark.skipif(
        not (TEST_DATA / "records").is_dir(), reason="CLOUDTRAIL_TEST_DATA names no folder with records"
    ),
]


def _read_records() -> list[bytes]:
    files = sorted((TEST_DATA / "records").glob("*.ndjson.gz"))
    return [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


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


def _list_secrets(record: Any) -> Iterator[str]:
    """List patterns of what must be gone from the text of a record."""
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


def test_nothing_that_the_presets_hide_is_left() -> None:
    masker = compile_masks([MaskRule(preset=preset) for preset in MaskPreset], None)
    assert masker is not None
    records = _read_records()
    result = masker.mask(records)
    assert result.refused == []
    hidden = 0
    for record, masked in zip(records, result.records, strict=True):
        for pattern in set(_list_secrets(json.loads(record))):
            hidden += 1
            left = re.search(pattern, masked.decode())
            assert left is None, f"{left} is left of {record.decode()}"
    assert hidden > len(records)


def test_the_quick_way_gives_what_the_exact_way_gives() -> None:
    masker = compile_masks([MaskRule(preset=preset) for preset in MaskPreset], None)
    assert masker is not None
    records = _read_records()[::7]
    assert [masker.mask_exactly(record) for record in records] == masker.mask(records).records
