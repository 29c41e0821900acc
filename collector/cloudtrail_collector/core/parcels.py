"""Turns a selection into what each sink gets of it: its events, in its format, with envelopes where it wants them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.dead_letter import DeadLetterReason, LostRecord, Origin
from cloudtrail_collector.core.envelope import read_envelopes
from cloudtrail_collector.core.formats import FormatError, FormatEvent, Place
from cloudtrail_collector.core.selection import Selection


@dataclass(frozen=True, slots=True)
class Outlet:
    """How the events of a sink leave. `format_event` None: as they are."""

    sink: str
    format_event: FormatEvent | None
    wants_envelopes: bool


@dataclass(frozen=True, slots=True)
class Parcel:
    """The lines that one sink gets, and the place in the log file of each. Dead letters are no events."""

    sink: str
    batch: Batch
    places: Sequence[int]
    are_events: bool = True


def pack(selection: Selection, origin: Origin, outlets: Sequence[Outlet]) -> tuple[list[Parcel], list[LostRecord]]:
    """Pack a parcel for every outlet that takes anything; returns what cannot be written in a format beside them."""
    parcels: list[Parcel] = []
    broken: dict[int, LostRecord] = {}
    packed: dict[tuple[FormatEvent | None, bool], Parcel] = {}
    lines: list[bytes] = []
    for outlet, taken in zip(outlets, selection.taken, strict=True):
        if not selection.places or (taken is not None and not any(taken)):
            continue
        if taken is None and outlet.format_event is None and not outlet.wants_envelopes:
            parcels.append(Parcel(outlet.sink, Batch(selection.payload, selection.kept), selection.places))
            continue
        known = packed.get((outlet.format_event, outlet.wants_envelopes)) if taken is None else None
        if known is not None:
            parcels.append(Parcel(outlet.sink, known.batch, known.places))
            continue
        lines = lines or selection.payload.split(b"\n")[:-1]
        chosen = lines if taken is None else list(compress(lines, taken))
        places = selection.places if taken is None else list(compress(selection.places, taken))
        parcel = _pack_one(outlet, origin, chosen, places, broken)
        if taken is None:
            packed[outlet.format_event, outlet.wants_envelopes] = parcel
        if parcel.batch.count:
            parcels.append(parcel)
    return parcels, list(broken.values())


def _pack_one(
    outlet: Outlet, origin: Origin, lines: list[bytes], places: Sequence[int], broken: dict[int, LostRecord]
) -> Parcel:
    if outlet.format_event is None:
        formatted, stays = lines, places
    else:
        formatted, good = [], []
        for number, (line, place) in enumerate(zip(lines, places, strict=True)):
            try:
                formatted.append(outlet.format_event(line, Place(origin.bucket, origin.key, place)))
            except FormatError as error:
                broken[place] = LostRecord(place, DeadLetterReason.UNFORMATTABLE, str(error), line, outlet.sink)
            else:
                good.append(number)
        if len(good) < len(lines):
            lines = [lines[number] for number in good]
            places = [places[number] for number in good]
        stays = places
    envelopes = read_envelopes(lines) if outlet.wants_envelopes else ()
    return Parcel(outlet.sink, Batch(b"\n".join([*formatted, b""]), len(formatted), envelopes), stays)
