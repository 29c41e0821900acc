"""Sinks: where event records go. A sink has a name and exactly one member that says its kind."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.filters import RuleName

SINK_KINDS = ("stdout", "http", "discard")


class StdoutSink(ApiModel):
    """One event record a line (NDJSON) on the collector's standard output; its logs go to standard error."""


class DiscardSink(ApiModel):
    """Accepts every event record and forgets it: for dry runs and measurements."""


class HttpSink(ApiModel):
    """POSTs batches as NDJSON. Any 2xx accepts the batch; anything else leaves its messages on the queue."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2048)] = Field(
        description="Where to POST, such as https://logs.example.com/ingest.",
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=30,
        description="How long a request may take before it counts as failed, in seconds. An absent value means 30.",
    )


class SinkSpec(ApiModel):
    """A named sink of exactly one kind."""

    name: RuleName = Field(description="Name of the sink; it labels the sink's metrics and its errors.")
    stdout: StdoutSink | None = Field(None, description=str(StdoutSink.__doc__))
    http: HttpSink | None = Field(None, description=str(HttpSink.__doc__))
    discard: DiscardSink | None = Field(None, description=str(DiscardSink.__doc__))

    cel_rules: ClassVar = (
        CelRule(
            "[has(self.stdout), has(self.http), has(self.discard)].filter(x, x).size() == 1",
            f"a sink needs exactly one of {', '.join(SINK_KINDS)}",
        ),
    )

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in SINK_KINDS) != 1:
            raise ValueError(self.cel_rules[0].message)
        return self
