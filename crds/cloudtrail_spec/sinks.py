"""Sinks: where event records go. A sink has a name and exactly one member that says its kind."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.filters import FieldSelector, RuleName
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.sink_kinds import (
    DiscardSink,
    ElasticsearchSink,
    FileSink,
    HttpSink,
    KafkaSink,
    OtlpHttpSink,
    S3Sink,
    SplunkHecSink,
    StdoutSink,
)

SINK_KINDS = ("stdout", "file", "http", "splunk_hec", "elasticsearch", "otlp_http", "kafka", "s3", "discard")
_KIND_NAMES = ("stdout", "file", "http", "splunkHec", "elasticsearch", "otlpHttp", "kafka", "s3", "discard")


class BatchSettings(ApiModel):
    """How large the batches of a sink are. A batch goes when the first of its bounds is reached."""

    max_events: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Largest number of events in a batch. Absent: what suits the kind of sink."
    )
    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = Field(
        None, description="Largest size of a batch in bytes before compression. Absent: what suits the kind of sink."
    )
    max_seconds: Annotated[int, Field(ge=0, le=600)] | None = Field(
        None,
        description="How long the first event of a batch waits for more, in seconds. 0 sends what there is. Messages stay in"
        " the queue meanwhile; when as many are in flight as may be, batches go earlier. Absent: what suits the kind of"
        " sink.",
    )


class RetrySettings(ApiModel):
    """How often a batch is sent again before its messages go back to the queue, which delivers them later."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="How often a batch is sent in all. Every return to the queue counts towards its maxReceiveCount, an"
        " attempt here does not.",
    )
    max_delay_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=10,
        description="Longest pause between two attempts, in seconds. Pauses begin at half a second and double; a pause that"
        " the sink asks for (Retry-After) is kept up to this.",
    )


class SinkTarget(ApiModel):
    """A named sink of exactly one kind."""

    name: RuleName = Field(description="Name of the sink; it labels the sink's metrics and its errors.")
    batch: BatchSettings | None = Field(None, description=str(BatchSettings.__doc__))
    retry: RetrySettings | None = Field(None, description=str(RetrySettings.__doc__))
    timeout_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=30,
        description="How long a batch may take to be accepted before it counts as failed, in seconds.",
    )
    stdout: StdoutSink | None = Field(None, description=str(StdoutSink.__doc__))
    file: FileSink | None = Field(None, description=str(FileSink.__doc__))
    http: HttpSink | None = Field(None, description=str(HttpSink.__doc__))
    splunk_hec: SplunkHecSink | None = Field(None, description=str(SplunkHecSink.__doc__))
    elasticsearch: ElasticsearchSink | None = Field(None, description=str(ElasticsearchSink.__doc__))
    otlp_http: OtlpHttpSink | None = Field(None, description=str(OtlpHttpSink.__doc__))
    kafka: KafkaSink | None = Field(None, description=str(KafkaSink.__doc__))
    s3: S3Sink | None = Field(None, description=str(S3Sink.__doc__))
    discard: DiscardSink | None = Field(None, description=str(DiscardSink.__doc__))

    cel_rules: ClassVar = (
        CelRule(
            f"[{', '.join(f'has(self.{kind})' for kind in _KIND_NAMES)}].filter(x, x).size() == 1",
            f"a sink needs exactly one of {', '.join(_KIND_NAMES)}; one without settings is written stdout: {{}}",
        ),
    )

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in SINK_KINDS) != 1:
            raise ValueError(self.cel_rules[0].message)
        return self


class SinkSpec(SinkTarget):
    """A sink for events: which of them it takes, and how they look."""

    field_selectors: Annotated[tuple[FieldSelector, ...], Field(min_length=1, max_length=16)] | None = Field(
        None,
        description="Which events the sink takes: all selectors must hold, as in filters. They see the event before it is"
        " masked and formatted. Absent: every event that the filters keep.",
    )
    format: EventFormat | None = Field(None, description="Format of this sink's events. Absent: spec.format.")
    raw: RawOptions | None = Field(None, description="Options of format Raw for this sink. Absent: spec.raw.")
