"""Turns batches into OTLP requests for logs, and the answers into what was rejected.

The body of a log record is the line as text; its attributes are what the envelope knows, under the names of OpenTelemetry's
conventions and of its Collector's CloudTrail decoder. CloudTrail knows no severity: all are INFO.

Log records are grouped by account and region: these are attributes of the resource, and a batch can hold the records of
many accounts. A batch comes from few log files, each of one account and region, so the groups are few.
"""

from collections.abc import Mapping
from functools import lru_cache

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord, ScopeLogs

from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.core.event_time import read_epoch_millis

SCOPE = "cloudtrail-collector"
RESOURCE = {"service.name": "cloudtrail-collector", "cloud.provider": "aws"}
PARTIAL_SUCCESS = "PartialSuccess"


class LogEncoder:
    """Encodes batches of one sink. `resource` goes over what we say of the resource ourselves."""

    def __init__(self, resource: Mapping[str, str], version: str) -> None:
        self._resource = dict(resource)
        self._version = version

    def encode(self, batch: Batch, observed_at: float) -> bytes:
        """Encode a batch that was observed at a time in seconds since 1970."""
        observed_nanos = int(observed_at * 1_000_000_000)
        request = ExportLogsServiceRequest()
        groups: dict[tuple[str | None, str | None], ScopeLogs] = {}
        for line, envelope in zip(batch.lines(), batch.envelopes, strict=True):
            place = envelope.account_id, envelope.region
            group = groups.get(place)
            if group is None:
                group = groups[place] = self._add_group(request, *place)
            _fill(group.log_records.add(), line, envelope, observed_nanos)
        return request.SerializeToString()

    def _add_group(self, request: ExportLogsServiceRequest, account_id: str | None, region: str | None) -> ScopeLogs:
        own = {**RESOURCE, "cloud.account.id": account_id, "cloud.region": region} | self._resource
        group = request.resource_logs.add()
        group.resource.attributes.extend(
            _build_attribute(name, value) for name, value in own.items() if value is not None
        )
        logs = group.scope_logs.add()
        logs.scope.name, logs.scope.version = SCOPE, self._version
        return logs


def _fill(record: LogRecord, line: bytes, envelope: Envelope, observed_nanos: int) -> None:
    record.CopyFrom(_build_template(envelope.event_name, envelope.event_source, envelope.principal))
    record.time_unix_nano = (read_epoch_millis(envelope.event_time) or 0) * 1_000_000
    record.observed_time_unix_nano = observed_nanos
    try:
        record.body.string_value = line.decode()
    except UnicodeDecodeError:
        record.body.bytes_value = line
    if envelope.event_id is not None:
        # By log.record.uid stores can tell a repeat from a new event.
        for name in ("log.record.uid", "aws.cloudtrail.event_id"):
            attribute = record.attributes.add()
            attribute.key, attribute.value.string_value = name, envelope.event_id


@lru_cache(maxsize=4096)
def _build_template(event_name: str | None, event_source: str | None, principal: str | None) -> LogRecord:
    """Build what many log records have in common: to copy it takes two thirds of the time. It must not be changed."""
    kind = "aws.principal.arn" if principal is not None and principal.startswith("arn:") else "aws.principal.id"
    own = {"rpc.service": event_source, "rpc.method": event_name, kind: principal}
    record = LogRecord(severity_number=SEVERITY_NUMBER_INFO, severity_text="INFO", event_name=event_name or "")
    record.attributes.extend(_build_attribute(name, value) for name, value in own.items() if value is not None)
    return record


def _build_attribute(name: str, value: str) -> KeyValue:
    attribute = KeyValue(key=name)
    attribute.value.string_value = value
    return attribute


def read_response(body: bytes, content_type: str) -> ExportLogsPartialSuccess | None:
    """Read an answer; None where it is not OTLP's. An empty one is: everything is accepted.

    Some servers answer in JSON whatever was sent.
    """
    try:
        if content_type == "application/json":
            return json_format.Parse(body, ExportLogsServiceResponse(), ignore_unknown_fields=True).partial_success
        return ExportLogsServiceResponse.FromString(body).partial_success
    except (DecodeError, json_format.ParseError):
        return None


def read_status_message(body: bytes) -> str:
    """Read why a request failed; empty where it is not said.

    It is a google.rpc.Status: a number and a text, under the same tags as those of a partial success.
    """
    try:
        return ExportLogsPartialSuccess.FromString(body).error_message
    except DecodeError:
        return ""


def reject_partly(rejected: int, count: int, said: str) -> list[Rejection]:
    """Make rejections of an answer that rejects some of so many events; `said` is the server's message, safe to show.

    The protocol does not say which, and forbids to send any of them again, since the others are accepted. So all are
    rejections: what was refused is among them, nothing is lost and nothing comes twice.
    """
    if rejected <= 0:
        return []
    which = f"{rejected} of the {count} events of this batch are rejected, and the server does not say which"
    message = f"{which}: {said}" if said else which
    return [Rejection(index, PARTIAL_SUCCESS, message) for index in range(count)]
