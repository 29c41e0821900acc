import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.log_file import LogFileRejectedError, RejectReason, decompress, split_records

MEBIBYTE = 1024 * 1024
_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def test_all_members_of_a_file_are_read() -> None:
    assert decompress(gzip.compress(b"one, ") + gzip.compress(b"two") + b"\0" * 8, MEBIBYTE) == b"one, two"


def test_what_is_not_gzip_is_taken_as_it_is() -> None:
    assert decompress(b"{}", MEBIBYTE) == b"{}"


def test_a_file_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    body = gzip.compress(b"x" * 3 * MEBIBYTE)
    assert len(decompress(body, 3 * MEBIBYTE)) == 3 * MEBIBYTE
    with pytest.raises(LogFileRejectedError) as caught:
        decompress(body, 3 * MEBIBYTE - 1)
    assert caught.value.reason is RejectReason.TOO_LARGE


def test_the_limit_holds_for_all_members_together_and_without_gzip() -> None:
    for body in (gzip.compress(b"x" * 700_000) * 2, b"x" * (MEBIBYTE + 1)):
        with pytest.raises(LogFileRejectedError) as caught:
            decompress(body, MEBIBYTE)
        assert caught.value.reason is RejectReason.TOO_LARGE


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 20])
def test_a_file_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(LogFileRejectedError) as caught:
        decompress(gzip.compress(b'{"Records":[{"eventID":"1"}]}')[:-cut], MEBIBYTE)
    assert caught.value.reason is RejectReason.CORRUPT


@pytest.mark.parametrize("position", [0, 30])
def test_a_damaged_file_is_refused(position: int) -> None:
    body = bytearray(gzip.compress(bytes(range(256)) * 8))
    body[-8 if position == 0 else position] ^= 0xFF
    with pytest.raises(LogFileRejectedError) as caught:
        decompress(bytes(body), MEBIBYTE)
    assert caught.value.reason is RejectReason.CORRUPT


def test_bytes_after_the_last_member_are_refused() -> None:
    with pytest.raises(LogFileRejectedError):
        decompress(gzip.compress(b"x") + b"tail", MEBIBYTE)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    for body in (tail, b"\x1f\x8b" + tail, gzip.compress(b"x")[:10] + tail):
        try:
            text = decompress(body, MEBIBYTE)
            assert isinstance(split_records(text), list)
        except LogFileRejectedError:
            continue


@given(st.lists(_values, max_size=5), st.sampled_from([None, 2]))
def test_records_keep_their_bytes(records: list[Any], indent: int | None) -> None:
    text = json.dumps({"x": {"Records": [1]}, "Records": records}, indent=indent).encode()
    found = split_records(text)
    assert [json.loads(record) for record in found] == records
    assert not any(b"\n" in record for record in found)


@given(st.lists(_values, max_size=5), st.integers(0, 5))
def test_one_unreadable_record_leaves_the_others_whole(records: list[Any], place: int) -> None:
    slices = [json.dumps(record).encode() for record in records]
    slices.insert(place, b'{"eventID":"\\ud800"}')
    assert split_records(b'{"Records": [' + b", ".join(slices) + b"]}") == slices


def test_deep_nesting_is_one_record() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    assert split_records(b'{"Records":[{"a":1},' + deep + b',{"b":2}]}') == [b'{"a":1}', deep, b'{"b":2}']


def test_digits_and_whitespace_stay() -> None:
    record = b'{ "n": 1.10000000000000000000001e400 }'
    assert split_records(b'{"Records":[' + record + b"]}") == [record]


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b'{"Records":{}}', b'{"Records":[{"a":1}', b'{"a":{"Records":[1]}}', b'{"Records":null}'],
)
def test_a_file_without_a_list_of_records_is_refused(text: bytes) -> None:
    with pytest.raises(LogFileRejectedError) as caught:
        split_records(text)
    assert caught.value.reason is RejectReason.NOT_A_LOG_FILE
