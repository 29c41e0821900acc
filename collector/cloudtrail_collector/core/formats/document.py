"""Turns the JSON text of a record into objects that a format takes fields out of, and what it builds into JSON text.

Who takes a field removes it. What is left when a format is done is what it has no place for, a field of an unexpected
type included, and leaves as such: nothing that AWS wrote is lost. Numbers keep their digits.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NoReturn, TypeAlias

import msgspec

from cloudtrail_collector.core.formats import FormatError

Fields: TypeAlias = dict[str, Any]


def _keep_digits(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_decode = msgspec.json.Decoder(float_hook=_keep_digits).decode
_encode = msgspec.json.Encoder().encode


def format_record(record: bytes, build: Callable[[Fields], Fields]) -> bytes:
    """Write what `build` makes of a record, whose fields it may take apart. Raises FormatError."""
    try:
        return _encode(build(decode_record(record)))
    except RecursionError as error:
        raise FormatError("the record is nested too deeply") from error


def encode_text(value: Any) -> str:
    """Write a value as compact JSON text."""
    return _encode(value).decode()


def decode_record(record: bytes) -> Fields:
    """Read a record. Raises FormatError when it is no JSON object."""
    try:
        document = _decode(record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        document = _decode_slowly(record)
    if not isinstance(document, dict):
        raise FormatError("the record is not a JSON object")
    return document


def _decode_slowly(record: bytes) -> Any:
    """Read what the quick decoder refuses: half a surrogate pair and bytes that are no UTF-8 become U+FFFD."""
    try:
        text = record.decode("utf-8", "replace")
        document = json.loads(text, parse_int=_keep_digits, parse_float=_keep_digits, parse_constant=_refuse_constant)
        return _replace_surrogates(document)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the record is not JSON that can be read: {error}") from error


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(name): _replace_surrogates(item) for name, item in value.items()}
    return value


def read_object(fields: Fields, name: str) -> Fields:
    """Return the object of this name to take fields out of; an empty one when there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def read_text(value: Any) -> str | None:
    """Return a scalar as text; None for an empty text and for anything else."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else None


def take_text(fields: Fields, name: str) -> str | None:
    """Take a scalar out as text; None leaves the field where it is."""
    value = fields.get(name)
    text = value or None if type(value) is str else read_text(value)
    if text is not None:
        del fields[name]
    return text


def take_flag(fields: Fields, name: str) -> bool | None:
    """Take out true or false, also when it is written as text; None leaves the field where it is."""
    flag = {"true": True, "false": False}.get(read_text(fields.get(name)) or "")
    if flag is not None:
        del fields[name]
    return flag


def take_time(fields: Fields, name: str) -> datetime | None:
    """Take out a time in one of the forms of ISO 8601, UTC when it names no zone; None leaves the field where it is."""
    text = fields.get(name)
    if not isinstance(text, str) or len(text) < len("20060102T150405"):
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not UTC:
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    del fields[name]
    return time


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    """Say whether a text is an IPv4 or IPv6 address; a zone (fe80::1%eth0) is refused, since stores refuse it."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def prune(value: Any) -> Any:
    """Leave out null, empty texts, and objects and lists with nothing in them; None when nothing is left."""
    # A third of the time of a format goes here, so that scalars are judged in place, without a call.
    if type(value) is dict:
        members: Fields = {}
        for name, item in value.items():
            kept = prune(item) if type(item) is dict or type(item) is list else item
            # Of what is false only zero and false say something.
            if kept or kept == 0:
                members[name] = kept
        return members or None
    if type(value) is list:
        items = [prune(item) for item in value]
        return [item for item in items if item is not None] or None
    return value if value or value == 0 else None


def list_leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """List what is not null or empty as text, with dotted names; a list is one text of JSON."""
    if isinstance(value, dict):
        for member, item in value.items():
            yield from list_leaves(item, f"{name}.{member}" if name else member)
    elif isinstance(value, list):
        if value:
            yield name, encode_text(value)
    elif (text := read_text(value)) is not None:
        yield name, text
