"""A server that takes OTLP logs with the official protobuf classes, with faults to order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from integration.http_stand_in import HttpStandIn, Received, Reply

CONTENT_TYPE = "application/x-protobuf"
PROTOBUF = {"Content-Type": CONTENT_TYPE}


@dataclass(frozen=True, slots=True)
class Log:
    """A log record and the attributes of its resource."""

    resource: dict[str, str]
    scope: str
    record: LogRecord

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of the record."""
        return read_attributes(self.record.attributes)


class OtlpServer(HttpStandIn):
    """Takes what `judge` lets in; `faults` are answered, or raised, before anything is read, one for each request."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.faults: list[Reply | Exception] = []
        self.judge: Callable[[list[Log]], Reply] = lambda _: Reply(200, b"", PROTOBUF)
        self.max_records = 100_000
        self.logs: list[Log] = []

    def read_bodies(self) -> list[str]:
        """Read the texts of what was taken."""
        return [log.record.body.string_value for log in self.logs]

    def _answer(self, request: Received) -> Reply:
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if request.target.partition("?")[0] != "/v1/logs":
            return Reply(404, b"404 page not found")
        if request.headers["Content-Type"] != CONTENT_TYPE:
            return Reply(415)
        logs = read_logs(request.body)
        if len(logs) > self.max_records:
            return Reply(413)
        reply = self.judge(logs)
        if reply.status == 200:
            self.logs += logs
        return reply


def read_logs(body: bytes) -> list[Log]:
    """Read the log records of a request, in order; everything in it must be known to the official classes."""
    request = ExportLogsServiceRequest.FromString(body)
    assert not len(UnknownFieldSet(request))
    return [
        Log(read_attributes(resource.resource.attributes), f"{scope.scope.name} {scope.scope.version}", record)
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def read_attributes(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Read attributes that are texts; names must differ."""
    pairs = [(one.key, one.value.string_value) for one in attributes]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def reject(count: int, message: str = "") -> Reply:
    """Answer that some records are rejected."""
    partial = ExportLogsPartialSuccess(rejected_log_records=count, error_message=message)
    return Reply(200, ExportLogsServiceResponse(partial_success=partial).SerializeToString(), PROTOBUF)


def explain(status: int, message: str) -> Reply:
    """Answer with a google.rpc.Status: its number and text have the tags of a partial success."""
    return Reply(
        status, ExportLogsPartialSuccess(rejected_log_records=3, error_message=message).SerializeToString(), PROTOBUF
    )
