"""Masks against a second implementation that decodes everything, on records made up at random."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.masking import Masker, compile_masks, refuse_keys
from cloudtrail_spec.masks import MaskPreset, MaskRule

KEY = "AKIAIOSFODNN7EXAMPLE"
ROLE = "AROACKCEVSQ6C2EXAMPLE"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Ab+/09" * 20 + "=="
FRAGMENTS = (
    KEY, "ASIA" + "B" * 16, "AKIA short", ROLE, f"{ROLE}:alice@example.com ", TOKEN, "FwoGZXIvYXdz" + "q" * 60,
    "203.0.113.7", "1203.0.113.7", "203.0.113.77", "ip-203-0-113-7.ec2.internal", "2001:db8::7", "AWS Internal",
    "alice", "alice.", "malice", "arn:aws:iam::111122223333:user/team/alice", "111122223333", "1111222233334",
    "arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com is not authorized", "Admin",
    "e5446dd4-552b-42f6-be3e-111122223333", "logs-111122223333-eu", "sessionToken=abc%2Fdef&x=1",
    "X-Amz-Security-Token: abc", "null", "7",
    '"secretAccessKey": "wJalr/XUtn', "\n", "\b", "\f", "/", "\\", '"', "{", "[", " ", ",", "\u00e9", "\U0001f600", "\ud800",
)  # fmt: skip
NAMES = (
    "sourceIPAddress", "userName", "UserName", "sessionToken", "x-amz-security-token", "secretAccessKey", "accountId",
    "ownerId", "arn", "principalId", "a", "b", "requestParameters", KEY, "alice", "111122223333", "userNames", "clientIp",
)  # fmt: skip


class Nested:
    """A value that stands as JSON in a string."""

    def __init__(self, value: Any, style: int) -> None:
        self.value = value
        self.style = style

    def __repr__(self) -> str:
        return f"Nested({self.value!r}, {self.style})"


texts = st.lists(st.sampled_from(FRAGMENTS), max_size=3).map("".join)


def _build_records(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    values = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
            st.builds(Nested, inner, st.integers(0, 3)),
        ),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


numbers = st.sampled_from([111122223333, -111122223333, 12345.5, 111122223333.0, 1e300, 7])
records = _build_records(st.one_of(texts, st.none(), st.booleans(), numbers))
records_of_texts = _build_records(st.one_of(texts, st.none(), st.booleans()))
PRESETS = tuple(MaskPreset)


def _encode(value: Any, style: int) -> str:  # noqa: PLR0911
    """Write JSON: 0 compact, 1 with spaces, 2 with escaped slashes, 3 with letters escaped that need none."""
    if isinstance(value, Nested):
        return _encode(_encode(value.value, value.style), style)
    comma, colon = (", ", " : ") if style == 1 else (",", ":")
    if isinstance(value, dict):
        return "{" + comma.join(_encode(k, style) + colon + _encode(v, style) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + comma.join(_encode(item, style) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=style == 3 or any("\ud800" <= character <= "\udfff" for character in value))
    if style == 2:
        return text.replace("/", "\\/")
    if style == 3:
        return re.sub(r"\\u[0-9a-f]{4}|\\.|[A1s]", lambda m: m[0] if m[0][0] == "\\" else f"\\u{ord(m[0]):04x}", text)
    return text


def _masker(*presets: MaskPreset) -> Masker:
    masker = compile_masks([MaskRule(preset=preset) for preset in presets], refuse_keys)
    assert masker is not None
    return masker


ALL = _masker(*PRESETS)
LITERALS = _masker(MaskPreset.ACCESS_KEY_IDS, MaskPreset.ASSUMED_ROLE_IDS, MaskPreset.SESSION_TOKENS)
SINGLE = {preset: _masker(preset) for preset in PRESETS}


@pytest.mark.parametrize("preset", [*PRESETS, None])
@given(record=records, style=st.integers(0, 3))
@settings(max_examples=250, deadline=None)
def test_the_quick_way_gives_what_the_exact_way_gives(preset: MaskPreset | None, record: Any, style: int) -> None:
    masker = SINGLE[preset] if preset else ALL
    text = _encode(record, style).encode("utf-8", "surrogatepass")
    (quick,) = masker.mask([text]).records
    assert quick == masker.mask_exactly(text)


Edit = Callable[[str], str]


def _decode_all(text: str, edit: Edit) -> Any:
    """Decode a JSON text, and JSON in its strings, and edit every text."""

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            return {edit(name): visit(member) for name, member in value.items()}
        if isinstance(value, list):
            return [visit(item) for item in value]
        if isinstance(value, str) and value.lstrip(" \t\r\n").startswith(("{", "[")):
            try:
                return ("inside", visit(json.loads(value)))
            except ValueError:
                return edit(value)
        return edit(value) if isinstance(value, str) else value

    return visit(json.loads(text))


REFERENCES: dict[MaskPreset, Edit] = {
    MaskPreset.ACCESS_KEY_IDS: lambda text: re.sub(r"(AKIA|ASIA)[A-Z0-9]{12,}", r"\1" + "*" * 16, text),
    MaskPreset.ASSUMED_ROLE_IDS: lambda text: re.sub(
        r"AROA[A-Z0-9]{12,}(:[A-Za-z0-9_+=,.@-]+)?", "AROA" + "*" * 16, text
    ),
    MaskPreset.ACCOUNT_IDS: lambda text: re.sub(
        r"(?<![0-9A-Za-z])(?<![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-)[0-9]{12}(?![0-9A-Za-z])", "0" * 12, text
    ),
}


@pytest.mark.parametrize("preset", REFERENCES)
@given(record=records_of_texts, style=st.integers(0, 3))
@settings(max_examples=250, deadline=None)
def test_masking_is_editing_every_text_after_decoding_everything(preset: MaskPreset, record: Any, style: int) -> None:
    text = _encode(record, style)
    masked = SINGLE[preset].mask([text.encode("utf-8", "surrogatepass")]).records[0].decode("utf-8", "surrogatepass")
    assert _decode_all(masked, lambda text: text) == _decode_all(text, REFERENCES[preset])


@given(file=st.lists(records, min_size=1, max_size=6), data=st.data())
@settings(max_examples=150, deadline=None)
def test_t43_masking_a_record_depends_on_that_record_alone(file: list[Any], data: st.DataObject) -> None:
    """T-43: shuffle the file, compare."""
    lines = [_encode(record, 0).encode("utf-8", "surrogatepass") for record in file]
    order = data.draw(st.permutations(range(len(lines))))
    together = ALL.mask(lines).records
    shuffled = ALL.mask([lines[index] for index in order]).records
    assert shuffled == [together[index] for index in order]
    assert together == [ALL.mask([line]).records[0] for line in lines]


@pytest.mark.parametrize("masker", [ALL, LITERALS], ids=["all", "literals"])
@given(file=st.lists(st.tuples(records, st.integers(0, 3)), max_size=8), broken=st.sets(st.integers(0, 7)))
@settings(max_examples=200, deadline=None)
def test_many_lines_at_once_are_masked_like_each_alone(masker: Masker, file: list[Any], broken: set[int]) -> None:
    """`broken` lines are no JSON, and have an escape, so that they are looked at."""
    lines = [
        b'{"a":"\\u0041' if index in broken else _encode(record, style).encode("utf-8", "surrogatepass")
        for index, (record, style) in enumerate(file)
    ]
    alone = masker.mask(lines)
    together = masker.mask_lines(b"".join(line + b"\n" for line in lines))
    assert together.text == b"".join(record + b"\n" for record in alone.records)
    assert (together.masked, together.refused) == (alone.masked, alone.refused)


@given(record=records, style=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_a_masked_record_is_json_of_the_same_form(record: Any, style: int) -> None:
    text = _encode(record, style).encode("utf-8", "surrogatepass")
    (masked,) = ALL.mask([text]).records
    shape = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false', re.DOTALL)
    assert shape.sub(b"_", masked) == shape.sub(b"_", text)
    json.loads(masked.decode("utf-8", "surrogatepass"))
