"""Masks over real records, through a whole collector: nothing that a preset hides leaves it by any way."""

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integration.collector_process import Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import is_empty
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from support.real_records import list_secrets, read_real_records

# The names of log files are left, and hold the account id of the trail: none of the records'.
KEY = "AWSLogs/998877665544/CloudTrail/us-east-1/2026/01/01/998877665544_CloudTrail_us-east-1_20260101T0000Z_{}.json.gz"
FORMATS = ("Raw", "Falco", "ECS", "OCSF")
PRESETS = ("AccessKeyIds", "AssumedRoleIds", "SessionTokens", "SourceIPs", "UserNames", "AccountIds")
# Words of the formats' own vocabulary, which are also made-up user names somewhere.
VOCABULARY = frozenset({"user", "admin", "group", "root"})
BROKEN = b'{"eventVersion":"1.08","userName":"broken-secret-name","accessKeyId":"AKIABROKENSECRET1234",}'

pytestmark = pytest.mark.third_party_data


def test_no_output_holds_a_masked_value(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    records = _read_with_ids()
    rejected = next(iter(records))
    with ExitStack() as stack:
        sinks = {name: stack.enter_context(HttpSinkServer()) for name in (*FORMATS, "rejects")}
        sinks["Raw"].decide = lambda body: 400 if rejected.encode() in body else 200
        collector = start(
            mask=[{"preset": preset} for preset in PRESETS],
            metrics=[
                {"name": "all", "fieldSelectors": [{"field": "eventName", "startsWith": [""]}], "labels": ["AccountID"]}
            ],
            sinks=[
                {"name": "out", "stdout": {}},
                *({"name": name.lower(), "format": name, "http": {"url": sinks[name].url}} for name in FORMATS),
            ],
            deadLetterSink=to_sink(sinks["rejects"], "rejects"),
        )
        _put(aws, storage, list(records.values()))
        wait_until(lambda: is_empty(aws, storage), "the messages to be deleted", 120)
        lines = [line for sink in sinks.values() for line in sink.read_lines()] + collector.read_lines()
        for format_name in FORMATS:
            assert len(sinks[format_name].read_lines()) == len(records) - (format_name == "Raw")
        reasons = {letter["reason"] for letter in sinks["rejects"].read_dead_letters()}
        assert reasons == {"undecodable", "rejected"}
        lines += collector.get("/samples").encode().splitlines()
        rest = collector.get("/metrics") + collector.get("/status") + collector.stderr.read_text()
    assert "broken-secret-name" not in rest + b"".join(lines).decode()
    assert "AKIABROKENSECRET" not in rest + b"".join(lines).decode()
    secrets = {event_id: _compile_secrets(record) for event_id, record in records.items()}
    searched = sum(_search(line, secrets) for line in lines)
    assert searched > 4 * len(records)
    account_ids = {
        match for record in records.values() for match in re.findall(r'"accountId":"([0-9]{12})"', record.decode())
    }
    assert not [account for account in account_ids - {"0" * 12} if f'account_id="{account}"' in rest]


def _read_with_ids() -> dict[str, bytes]:
    """Read all records, each with an eventID of its own, by which its way can be followed."""
    records = {}
    for number, text in enumerate(read_real_records()):
        event_id = str(uuid.UUID(int=(0xABCDEF << 100) + number))
        records[event_id] = json.dumps(json.loads(text) | {"eventID": event_id}, separators=(",", ":")).encode()
    return records


def _put(aws: AwsEndpoint, storage: TrailStorage, records: list[bytes]) -> None:
    for number, start in enumerate(range(0, len(records), 200)):
        body = b'{"Records":[' + b",".join([*records[start : start + 200], *([BROKEN] if number == 0 else [])]) + b"]}"
        aws.client("s3").put_object(Bucket=storage.bucket, Key=KEY.format(number), Body=gzip.compress(body))


def _compile_secrets(record: bytes) -> list[re.Pattern[str]]:
    return [re.compile(pattern) for pattern in set(list_secrets(json.loads(record)))]


def _search(line: bytes, secrets: dict[str, list[re.Pattern[str]]]) -> bool:
    """Look for what must be hidden of the record behind a line; False where the line is about no record."""
    event_id = next((found for found in re.findall("[0-9a-f-]{36}", line.decode()) if found in secrets), None)
    if event_id is None:
        return False
    for text in _list_texts(json.loads(line)):
        for pattern in secrets[event_id]:
            left = pattern.search(text)
            assert left is None or left[0] in VOCABULARY, f"{left} is left in {text!r} of {line.decode()}"
    return True


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _list_texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _list_texts(member)
    elif isinstance(value, str):
        yield value
