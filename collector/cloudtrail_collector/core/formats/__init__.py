"""Turns one masked event record into the line that leaves, in one of the formats that a source can ask for."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, assert_never

from cloudtrail_spec.formats import EventFormat, RawOptions


class Place(NamedTuple):
    """Where a record was read: the log file, and the record's place in it from 0."""

    bucket: str
    key: str
    index: int  # type: ignore[assignment]  # nobody wants tuple.index of it


# One record, as compact JSON without a line end, to one line without its end. Raises FormatError.
FormatEvent: TypeAlias = Callable[[bytes, Place], bytes]


class FormatError(ValueError):
    """The record cannot be written in the format: it is no JSON object. It goes to the dead-letter sink."""


def build_format(spec: EventFormat, options: RawOptions, source: str) -> FormatEvent | None:
    """Build what formats the events of the named source; None when they leave as they are. Options are those of Raw."""
    # Imported where it is wanted: a process needs one or two, and each of them imports this package.
    match spec:
        case EventFormat.RAW:
            from cloudtrail_collector.core.formats.raw import build_raw  # noqa: PLC0415

            return build_raw(options, source)
        case EventFormat.FALCO:
            from cloudtrail_collector.core.formats.falco import build_falco  # noqa: PLC0415

            return build_falco()
        case EventFormat.ECS:
            from cloudtrail_collector.core.formats.ecs import format_ecs  # noqa: PLC0415

            return format_ecs
        case EventFormat.OCSF:
            from cloudtrail_collector.core.formats.ocsf import format_ocsf  # noqa: PLC0415

            return format_ocsf
    assert_never(spec)
