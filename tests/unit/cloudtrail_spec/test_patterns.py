"""T-51: what users write about events is declared, not programmed; their patterns are bounded in length, size and time."""

from typing import Any

import pytest
from pydantic import ValidationError

from cloudtrail_spec.crd import build_source_crd
from cloudtrail_spec.filters import FieldSelector
from cloudtrail_spec.masks import MaskRule
from cloudtrail_spec.patterns import compile_pattern

Schema = dict[str, Any]
SPEC: Schema = build_source_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def _walk(path: str, schema: Schema) -> list[tuple[str, Schema]]:
    found = [(path, schema)]
    for name, part in schema.get("properties", {}).items():
        found += _walk(f"{path}.{name}", part)
    if isinstance(schema.get("additionalProperties"), dict):
        found += _walk(f"{path}.*", schema["additionalProperties"])
    if "items" in schema:
        found += _walk(f"{path}[]", schema["items"])
    return found


BOUNDS = {"string": ("maxLength", "enum"), "array": ("maxItems",)}


def test_every_text_and_list_of_a_spec_is_bounded() -> None:
    parts = [(path, part, BOUNDS[part["type"]]) for path, part in _walk("spec", SPEC) if part["type"] in BOUNDS]
    assert [path for path, part, bounds in parts if not part.keys() & set(bounds)] == []


def test_what_is_handed_through_unread_is_the_affinity_alone() -> None:
    free = [path for path, part in _walk("spec", SPEC) if part.get("x-kubernetes-preserve-unknown-fields")]
    assert free == ["spec.collector.affinity"]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*a){20}$", "([a-z]+)*[0-9]"])
def test_pattern_that_ruins_other_engines_ends(pattern: str) -> None:
    """A backtracking engine would take longer than the universe has: here it ends, or this test never does."""
    assert compile_pattern(f"^{pattern}").search(b"a" * 100_000 + b"!") is None


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "(?<!a)b", "(?P>x)", "(((a{100}){100}){100}){100}"])
def test_pattern_that_could_take_for_ever_or_much_memory_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compile_pattern(pattern)


def test_long_pattern_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 512 characters"):
        FieldSelector(field="eventName", matches=("a" * 513,))
    with pytest.raises(ValidationError, match="at most 512 characters"):
        MaskRule(name="x", pattern="a" * 513, replacement="-")
