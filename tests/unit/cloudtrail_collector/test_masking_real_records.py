"""Masks on real records, which are read in place: nothing that a preset hides is left anywhere."""

import json
import re

import pytest

from cloudtrail_collector.core.masking import compile_masks, refuse_keys
from cloudtrail_spec.masks import MaskPreset, MaskRule
from support.real_records import list_secrets, read_real_records

pytestmark = pytest.mark.third_party_data


def test_nothing_that_the_presets_hide_is_left() -> None:
    masker = compile_masks([MaskRule(preset=preset) for preset in MaskPreset], refuse_keys)
    assert masker is not None
    records = read_real_records()
    result = masker.mask(records)
    assert result.refused == []
    hidden = 0
    for record, masked in zip(records, result.records, strict=True):
        for pattern in set(list_secrets(json.loads(record))):
            hidden += 1
            left = re.search(pattern, masked.decode())
            assert left is None, f"{left} is left of {record.decode()}"
    assert hidden > len(records)


def test_the_quick_way_gives_what_the_exact_way_gives() -> None:
    masker = compile_masks([MaskRule(preset=preset) for preset in MaskPreset], refuse_keys)
    assert masker is not None
    records = read_real_records()[::7]
    assert [masker.mask_exactly(record) for record in records] == masker.mask(records).records
