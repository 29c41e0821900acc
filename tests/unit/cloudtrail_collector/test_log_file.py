import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.gunzip import iterate_text
from cloudtrail_collector.core.log_file import WINDOW_BYTES, read_log_file
from cloudtrail_collector.core.record_split import iterate_records, split_document
from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason

MEBIBYTE = 1024 * 1024
_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def _read(body: bytes, limit: int = MEBIBYTE) -> bytes | None:
    return read_log_file(body, limit).text


def _cut_in_pieces(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def test_all_members_of_a_file_are_read() -> None:
    assert _read(gzip.compress(b"one, ") + gzip.compress(b"two") + b"\0" * 8) == b"one, two"


def test_what_is_not_gzip_is_taken_as_it_is() -> None:
    assert _read(b"{}") == b"{}"


def test_a_buffer_is_read_like_bytes() -> None:
    assert _read(memoryview(gzip.compress(b"text"))) == b"text"  # type: ignore[arg-type]


def test_a_file_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    body = gzip.compress(b"x" * 3 * MEBIBYTE)
    assert len(_read(body, 3 * MEBIBYTE) or b"") == 3 * MEBIBYTE
    with pytest.raises(LogFileRejectedError) as caught:
        _read(body, 3 * MEBIBYTE - 1)
    assert caught.value.reason is RejectReason.TOO_LARGE


def test_the_limit_holds_for_all_members_together_and_without_gzip() -> None:
    for body in (gzip.compress(b"x" * 700_000) * 2, b"x" * (MEBIBYTE + 1)):
        with pytest.raises(LogFileRejectedError) as caught:
            _read(body)
        assert caught.value.reason is RejectReason.TOO_LARGE


def test_t33_the_size_that_a_file_states_is_not_believed() -> None:
    body = bytearray(gzip.compress(b"x" * 3 * MEBIBYTE))
    body[-4:] = (10).to_bytes(4, "little")
    with pytest.raises(LogFileRejectedError) as caught:
        _read(bytes(body), MEBIBYTE)
    assert caught.value.reason is RejectReason.TOO_LARGE
    with pytest.raises(LogFileRejectedError) as caught:
        _read(bytes(body), 4 * MEBIBYTE)
    assert caught.value.reason is RejectReason.CORRUPT


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=4), st.integers(1, 3))
def test_members_of_any_size_are_read_however_they_are_fed(sizes: list[int], seed: int) -> None:
    parts = [random.Random(seed).randbytes(size * 400) for size in sizes]
    body = b"".join(gzip.compress(part, 1) for part in parts)
    assert b"".join(iterate_text(body, 100_000)) == b"".join(parts)
    with pytest.raises(LogFileRejectedError):
        list(iterate_text(body[:-1]))


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 20])
def test_a_file_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(LogFileRejectedError) as caught:
        _read(gzip.compress(b'{"Records":[{"eventID":"1"}]}')[:-cut])
    assert caught.value.reason is RejectReason.CORRUPT


@pytest.mark.parametrize("position", [0, 30])
def test_a_damaged_file_is_refused(position: int) -> None:
    body = bytearray(gzip.compress(bytes(range(256)) * 8))
    body[-8 if position == 0 else position] ^= 0xFF
    with pytest.raises(LogFileRejectedError) as caught:
        _read(bytes(body))
    assert caught.value.reason is RejectReason.CORRUPT


def test_bytes_after_the_last_member_are_refused() -> None:
    with pytest.raises(LogFileRejectedError):
        _read(gzip.compress(b"x") + b"tail")


def test_a_large_file_is_checked_whole_before_its_first_record_is_returned() -> None:
    record = b'{"eventVersion":"1.08","padding":"' + b"x" * 100_000 + b'"}'
    count = WINDOW_BYTES // len(record) * 3
    body = gzip.compress(b'{"Records":[' + b",".join([record] * count) + b"]}", 1)
    file = read_log_file(body, 100 * MEBIBYTE)
    assert file.text is None
    groups = list(file.iterate_records())
    assert len(groups) > 1
    assert [one for group in groups for one in group] == [record] * count
    with pytest.raises(LogFileRejectedError):
        read_log_file(body[:-8] + b"\0" * 8, 100 * MEBIBYTE)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    for body in (tail, b"\x1f\x8b" + tail, gzip.compress(b"x")[:10] + tail):
        try:
            text = _read(body)
            assert isinstance(split_document(text or b""), list)
        except LogFileRejectedError:
            continue


@given(st.lists(_values, max_size=5), st.sampled_from([None, 2]))
def test_records_keep_their_bytes(records: list[Any], indent: int | None) -> None:
    text = json.dumps({"x": {"Records": [1]}, "Records": records}, indent=indent).encode()
    found = split_document(text)
    assert [json.loads(record) for record in found] == records
    assert not any(b"\n" in record for record in found)


@given(st.lists(_values, max_size=5), st.integers(0, 5))
def test_one_unreadable_record_leaves_the_others_whole(records: list[Any], place: int) -> None:
    slices = [json.dumps(record).encode() for record in records]
    slices.insert(place, b'{"eventID":"\\ud800"}')
    assert split_document(b'{"Records": [' + b", ".join(slices) + b"]}") == slices


@settings(max_examples=300)
@given(
    st.lists(st.dictionaries(st.text(max_size=8), _values, max_size=3), max_size=6), st.integers(20, 200), st.booleans()
)
def test_a_text_in_pieces_gives_the_same_records(records: list[Any], size: int, with_a_broken_one: bool) -> None:
    """The list begins within the first window: 20 bytes."""
    slices = [json.dumps(record, ensure_ascii=False).encode() for record in records]
    if with_a_broken_one:
        slices.insert(len(slices) // 2, b'{"eventID":"\\ud800},{", "x": truth}')
    text = b'{"Records":[' + b",".join(slices) + b'],"x":[{},{}]}'
    found = [one for group in iterate_records(_cut_in_pieces(text, size), size) for one in group]
    assert found == slices


@given(st.integers(0, 80))
def test_a_text_in_pieces_that_is_cut_off_is_refused(length: int) -> None:
    text = b'{"Records":[{"a":"},{\\""},{"b":["x",{"c":1},{"d":2}]},{"eventVersion":"1","e":"],}"}]'[:length]
    with pytest.raises(LogFileRejectedError):
        list(iterate_records(_cut_in_pieces(text, 16), 16))


def test_deep_nesting_is_one_record() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    assert split_document(b'{"Records":[{"a":1},' + deep + b',{"b":2}]}') == [b'{"a":1}', deep, b'{"b":2}']


def test_digits_and_whitespace_stay() -> None:
    record = b'{ "n": 1.10000000000000000000001e400 }'
    assert split_document(b'{"Records":[' + record + b"]}") == [record]


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b'{"Records":{}}', b'{"Records":[{"a":1}', b'{"a":{"Records":[1]}}', b'{"Records":null}'],
)
def test_a_file_without_a_list_of_records_is_refused(text: bytes) -> None:
    with pytest.raises(LogFileRejectedError) as caught:
        split_document(text)
    assert caught.value.reason is RejectReason.NOT_A_LOG_FILE
