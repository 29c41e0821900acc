"""How event records look when they leave: the formats, and the options of Raw."""

from enum import StrEnum

from pydantic import Field

from cloudtrail_spec.base import ApiModel


class EventFormat(StrEnum):
    """How an event record looks when it leaves."""

    RAW = "Raw"
    FALCO = "Falco"
    ECS = "ECS"
    OCSF = "OCSF"


class RawOptions(ApiModel):
    """What format Raw adds to a record or writes otherwise. Without any the record leaves byte for byte."""

    metadata: bool = Field(
        default=False,
        description="Adds _source to each event: an object with bucket, key, index (the record's place in the log file,"
        " from 0) and source (the name of the source).",
    )
    json_strings: bool = Field(
        default=False,
        description="Writes requestParameters, responseElements, additionalEventData and serviceEventDetails as text that"
        " holds their JSON, for stores whose mappings break when such a field has another type in another event. All"
        " digits of numbers stay. null and texts stay as they are.",
    )
