"""Event records for the tests of formats, and what the tests ask of an event in any format."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from cloudtrail_collector.core.formats import Place
from localcluster.corpus import generate_log_files

PLACE = Place("trail-bucket", "AWSLogs/111122223333/x.json.gz", 7)
ROLE_ARN = "arn:aws:iam::111122223333:role/Deployer"
SESSION: dict[str, Any] = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLEEXAMPLE01:ci",
    "arn": "arn:aws:sts::111122223333:assumed-role/Deployer/ci",
    "accountId": "111122223333",
    "accessKeyId": "ASIAEXAMPLEEXAMPLE01",
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAEXAMPLEEXAMPLE01",
            "arn": ROLE_ARN,
            "accountId": "111122223333",
            "userName": "Deployer",
        },
        "webIdFederationData": {},
        "attributes": {"creationDate": "2026-01-05T17:53:33Z", "mfaAuthenticated": "false"},
    },
}
ALICE: dict[str, Any] = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLEEXAMPLE02",
    "arn": "arn:aws:iam::111122223333:user/alice",
    "accountId": "111122223333",
    "accessKeyId": "AKIAEXAMPLEEXAMPLE02",
    "userName": "alice",
}


def make_fields(name: str, service: str = "iam", **changes: Any) -> dict[str, Any]:
    """Make the members of an event record."""
    fields = {
        "eventVersion": "1.11",
        "userIdentity": SESSION,
        "eventTime": "2026-01-05T18:46:26Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31.4",
        "requestParameters": None,
        "responseElements": None,
        "requestID": "0b6ac1a8-9a2e-4d6b-a6a8-0b9c8d7e6f50",
        "eventID": "6b3f2b60-3d5e-4b8e-9f3b-1f2e3d4c5b6a",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    }
    return fields | changes


def make_record(name: str, service: str = "iam", **changes: Any) -> bytes:
    """Make an event record as AWS writes it."""
    return json.dumps(make_fields(name, service, **changes), separators=(",", ":")).encode()


def read_corpus() -> Iterator[bytes]:
    """Read records that are made up for the demo, some hundred."""
    for file in generate_log_files(30, end=datetime(2026, 1, 5, tzinfo=UTC)):
        for record in json.loads(gzip.decompress(file.body))["Records"]:
            yield json.dumps(record, separators=(",", ":")).encode()


def _make_hostile(changes: dict[str, Any], identity: dict[str, Any]) -> bytes:
    fields = make_fields("ConsoleLogin", "signin")
    fields["userIdentity"] = {**SESSION, **identity}
    return json.dumps(fields | changes, separators=(",", ":")).encode()


_NAMES = st.text(st.characters(exclude_characters=".", exclude_categories=()), min_size=1, max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = st.sampled_from(
    [*make_fields(""), "resources", "tlsDetails", "additionalEventData", "errorCode", "insightDetails"]
)
# Records with values of any type in any place, half surrogate pairs and long numbers included.
HOSTILE_RECORDS = st.builds(
    _make_hostile,
    st.dictionaries(_MEMBERS | _NAMES, _VALUES, max_size=8),
    st.dictionaries(st.sampled_from([*SESSION, "userName", "invokedBy"]) | _NAMES, _VALUES, max_size=4),
)

# Written in another way: times; the TLS version in two parts; whether a second factor was used.
_REWRITTEN = (
    ("eventTime",),
    ("userIdentity", "sessionContext", "attributes", "creationDate"),
    ("tlsDetails", "tlsVersion"),
    ("additionalEventData", "MFAUsed"),
)


def find_lost(record: bytes, line: bytes) -> set[str]:
    """List what a record says and the line that it became does not."""
    fields = read_json(record)
    for *parents, name in _REWRITTEN:
        holder: Any = fields
        for parent in parents:
            holder = holder.get(parent) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder.pop(name, None)
    return {_mend(text) for text in list_scalars(fields)} - {_mend(text) for text in list_scalars(read_json(line))}


def _mend(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def read_json(text: bytes | str) -> Any:
    """Read JSON with the digits of its numbers."""
    return json.loads(text, parse_int=_Digits, parse_float=_Digits)


class _Digits(str):
    """A number as it is written."""

    __slots__ = ()


def list_scalars(value: Any) -> Iterator[str]:
    """List everything that a document says, as text: names and null do not count, JSON inside a text does."""
    if isinstance(value, dict):
        for item in value.values():
            yield from list_scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from list_scalars(item)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str) and value:
        inner = _open(value)
        if inner is None:
            yield str(value)
        else:
            yield from list_scalars(inner)


def _open(text: str) -> Any:
    if text[:1] not in ("{", "[", '"'):
        return None
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return None


def flatten(value: Any, opaque: frozenset[str] = frozenset(), name: str = "") -> Iterator[tuple[str, Any]]:
    """List the members of an object with dotted names; what `opaque` names stays whole."""
    if isinstance(value, dict) and value and name not in opaque:
        for member, item in value.items():
            yield from flatten(item, opaque, f"{name}.{member}" if name else member)
    else:
        yield name, value


def list_differences(expected: Any, found: Any, opaque: frozenset[str] = frozenset()) -> set[str]:
    """List the paths at which two documents differ."""
    one, other = dict(flatten(expected, opaque)), dict(flatten(found, opaque))
    missing = object()
    return {path for path in one.keys() | other.keys() if one.get(path, missing) != other.get(path, missing)}
