"""Format Raw: what its options change, and that nothing else changes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.formats import FormatError, FormatEvent, Place, build_format
from cloudtrail_collector.core.formats.raw import OPEN_MEMBERS
from cloudtrail_spec.formats import EventFormat, RawOptions
from support.formats import PLACE, make_record


def _build(**options: bool) -> FormatEvent:
    format_event = build_format(EventFormat.RAW, RawOptions(**options), "org-trail")
    assert format_event is not None
    return format_event


AS_TEXT = _build(json_strings=True)
WITH_SOURCE = _build(metadata=True)


def test_without_options_records_are_not_touched() -> None:
    assert build_format(EventFormat.RAW, RawOptions(), "org-trail") is None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # Digits of numbers stay: no parser writes these the same way.
        (
            b'{"requestParameters":{"n":12345678901234567890,"f":1.10,"e":1E3}}',
            rb'{"requestParameters":"{\"n\":12345678901234567890,\"f\":1.10,\"e\":1E3}"}',
        ),
        (
            b'{"a":1.0,"responseElements":{"s":"x\\"y"},"b":2}',
            rb'{"a":1.0,"responseElements":"{\"s\":\"x\\\"y\"}","b":2}',
        ),
        (
            b'{"additionalEventData":[1],"serviceEventDetails":7}',
            b'{"additionalEventData":"[1]","serviceEventDetails":"7"}',
        ),
        (
            b'{"requestParameters":null,"responseElements":"text"}',
            b'{"requestParameters":null,"responseElements":"text"}',
        ),
        (b'{"eventName":"x"}', b'{"eventName":"x"}'),
        (b"{}", b"{}"),
        # Of the same name further down only the value above counts.
        (
            b'{"requestParameters":{"requestParameters":{"a":1}},"x":{"responseElements":{}}}',
            rb'{"requestParameters":"{\"requestParameters\":{\"a\":1}}","x":{"responseElements":{}}}',
        ),
    ],
)
def test_t44_open_members_leave_as_text_with_all_digits(record: bytes, expected: bytes) -> None:
    assert AS_TEXT(record, PLACE) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            b'{ "requestParameters" : {"a" : [1, 2]} , "b":1.0 }',
            rb'{ "requestParameters" : "{\"a\" : [1, 2]}" , "b":1.0 }',
        ),
        (b'{"request\\u0050arameters":{"a":1}}', rb'{"request\u0050arameters":"{\"a\":1}"}'),
        (
            b'{"responseElements":{},"responseElements":{"a":1}}',
            rb'{"responseElements":"{}","responseElements":"{\"a\":1}"}',
        ),
        (
            b'{"x":"\\ud800","requestParameters":{"y":"\\udfff"}}',
            rb'{"x":"\ud800","requestParameters":"{\"y\":\"\\udfff\"}"}',
        ),
        (b'{"x":"\xff","requestParameters":{"y":"\xfe"}}', b'{"x":"\xff","requestParameters":"{\\"y\\":\\"\xfe\\"}"}'),
    ],
)
def test_unusual_json_is_changed_in_the_same_places(record: bytes, expected: bytes) -> None:
    assert AS_TEXT(record, PLACE) == expected


def test_t24_metadata_says_where_the_record_was() -> None:
    record = make_record("CreateUser")
    line = WITH_SOURCE(record, Place('odd"bucket', "k/ä.json.gz", 3))
    assert line.startswith(record[:-1] + b',"_source":')
    assert json.loads(line)["_source"] == {
        "bucket": 'odd"bucket',
        "key": "k/ä.json.gz",
        "index": 3,
        "source": "org-trail",
    }
    assert WITH_SOURCE(b"{}", PLACE).startswith(b'{"_source":{')


def test_both_options_work_together() -> None:
    line = _build(metadata=True, json_strings=True)(
        make_record("CreateUser", requestParameters={"userName": "bob"}), PLACE
    )
    found = json.loads(line)
    assert found["requestParameters"] == '{"userName":"bob"}'
    assert found["_source"]["index"] == PLACE.index


@pytest.mark.parametrize("record", [b"[1]", b'"text"', b"17", b"null", b"", b"{", b'{"requestParameters":{}', b"\xff"])
def test_what_is_no_object_is_refused(record: bytes) -> None:
    with pytest.raises(FormatError):
        AS_TEXT(record, PLACE)
    with pytest.raises(FormatError):
        _build(metadata=True, json_strings=True)(record, PLACE)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.sampled_from(OPEN_MEMBERS), inner)
    ),
    max_leaves=12,
)


@given(
    record=st.dictionaries(st.text(max_size=3) | st.sampled_from(OPEN_MEMBERS), _JSON, max_size=6),
    separators=st.sampled_from([(",", ":"), (" , ", " : ")]),
    is_ascii=st.booleans(),
)
@settings(deadline=None)
def test_only_the_open_members_change(record: dict[str, Any], separators: tuple[str, str], is_ascii: bool) -> None:
    text = json.dumps(record, separators=separators, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    found = json.loads(AS_TEXT(text, PLACE).decode("utf-8", "surrogatepass"))
    assert found.keys() == record.keys()
    for name, value in record.items():
        if name not in OPEN_MEMBERS or value is None or isinstance(value, str):
            assert found[name] == value
        else:
            assert isinstance(found[name], str)
            assert json.loads(found[name]) == value
