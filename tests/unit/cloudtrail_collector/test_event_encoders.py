"""What Splunk and OpenTelemetry get of events, whatever stands in them."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import Envelope, read_envelopes
from cloudtrail_collector.core.event_time import read_epoch_millis
from cloudtrail_collector.core.sinks.hec_events import HecReply, build_framing, encode_events, read_acks, read_reply
from cloudtrail_collector.core.sinks.otlp_logs import LogEncoder, read_status_message


def build_batch(*lines: bytes) -> Batch:
    return Batch(b"".join(line + b"\n" for line in lines), len(lines), read_envelopes(lines))


def encode_logs(*lines: bytes) -> list[ResourceLogs]:
    return list(ExportLogsServiceRequest.FromString(LogEncoder({}, "1").encode(build_batch(*lines), 5.0)).resource_logs)


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-20T10:00:00Z", 1_795_168_800_000),
        ("2026-11-20T10:00:00.0019999Z", 1_795_168_800_001),
        ("2026-11-20T12:00:00+02:00", 1_795_168_800_000),
        ("2026-11-20T10:00:00", 1_795_168_800_000),
        ("1969-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        ("now", None),
        (None, None),
    ],
)
def test_times_are_read(text: str | None, millis: int | None) -> None:
    assert read_epoch_millis(text) == millis


def test_lines_are_not_encoded_anew() -> None:
    lines = (b'{"eventTime":"2026-11-20T10:00:00Z", "n":1.50}', b'{"text":"\\u00e9","raw":"\xff"}')
    body = encode_events(build_batch(*lines), build_framing(sourcetype="aws:cloudtrail"))
    assert body == (
        b'{"time":1795168800.000,"sourcetype":"aws:cloudtrail","event":' + lines[0] + b"}"
        b'{"sourcetype":"aws:cloudtrail","event":' + lines[1] + b"}"
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code":"six"}', b'{"text":7}', b"\xff"])
def test_what_is_not_splunks_answer_says_nothing(body: bytes) -> None:
    assert read_reply(body) == HecReply()


@pytest.mark.parametrize("body", [b"{}", b'{"acks":{"x":true}}', b'{"acks":{"1":"true"}}', b'{"acks":[1]}'])
def test_what_is_no_answer_about_acknowledgements_is_none(body: bytes) -> None:
    assert read_acks(body) is None


def test_only_what_is_acknowledged_is() -> None:
    assert read_acks(b'{"acks":{"0":true,"1":false,"12":true}}') == {0, 12}


def test_log_records_are_grouped_by_account_and_region() -> None:
    events = [("1", "eu-west-1"), ("2", "eu-west-1"), ("1", "eu-west-1"), ("1", "us-east-1")]
    lines = [
        f'{{"eventID":"{n}","recipientAccountId":"{account}","awsRegion":"{region}"}}'.encode()
        for n, (account, region) in enumerate(events)
    ]
    found = {}
    for group in encode_logs(*lines, b'{"eventID":"4"}'):
        place = {one.key: one.value.string_value for one in group.resource.attributes}
        records = group.scope_logs[0].log_records
        found[place.get("cloud.account.id"), place.get("cloud.region")] = [
            attribute.value.string_value
            for record in records
            for attribute in record.attributes
            if attribute.key == "log.record.uid"
        ]
    assert found == {
        ("1", "eu-west-1"): ["0", "2"],
        ("2", "eu-west-1"): ["1"],
        ("1", "us-east-1"): ["3"],
        (None, None): ["4"],
    }


def test_a_line_that_is_no_text_travels_as_bytes() -> None:
    line = b'{"eventID":"1","raw":"\xff"}'
    [group] = encode_logs(line)
    assert group.scope_logs[0].log_records[0].body.bytes_value == line


@pytest.mark.parametrize("line", [b'{"eventID":"\\ud800"}', b"{}", b'{"eventTime":"then","eventName":null}'])
def test_a_record_that_says_nothing_has_its_body_only(line: bytes) -> None:
    [group] = encode_logs(line)
    [record] = group.scope_logs[0].log_records
    assert record.body.string_value == line.decode()
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (0, 5_000_000_000)
    assert (record.event_name, list(record.attributes)) == ("", [])


def test_a_principal_without_arn_is_an_id() -> None:
    batch = Batch(b"{}\n", 1, [Envelope(principal="AIDAEXAMPLE")])
    request = ExportLogsServiceRequest.FromString(LogEncoder({}, "1").encode(batch, 0.0))
    [attribute] = request.resource_logs[0].scope_logs[0].log_records[0].attributes
    assert (attribute.key, attribute.value.string_value) == ("aws.principal.id", "AIDAEXAMPLE")


def test_what_is_no_status_has_no_message() -> None:
    assert read_status_message(b"\xff\xff") == ""
