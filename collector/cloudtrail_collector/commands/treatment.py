"""Turns log files into the lines that a terminal gets: filters, masks and format of a pipeline, without its sinks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloudtrail_collector.core.dead_letter import LostRecord, Origin
from cloudtrail_collector.core.formats import build_format
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import compile_masks
from cloudtrail_collector.core.masking.replacement import ReadKey
from cloudtrail_collector.core.parcels import Outlet, pack
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_spec.filters import FieldSelector, FilterRule
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.masks import MaskRule

# The one place that events go to.
_TERMINAL = "stdout"


@dataclass(frozen=True, slots=True)
class TreatmentSpec:
    """What to do with events. `wanted` are selectors that must all hold for what the rules keep."""

    rules: Sequence[FilterRule] = ()
    wanted: Sequence[FieldSelector] = ()
    masks: Sequence[MaskRule] = ()
    format: EventFormat = EventFormat.RAW
    raw: RawOptions = field(default_factory=RawOptions)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Treated:
    """Some records of a file: the lines that are printed, NDJSON, and what became of the others."""

    read: int
    text: bytes
    count: int
    dropped: Mapping[str, int]
    unwanted: int
    broken: Sequence[LostRecord]


class Treatment:
    """A compiled treatment."""

    def __init__(self, spec: TreatmentSpec, read_key: ReadKey) -> None:
        """Compile. Raises ValueError, and what `read_key` raises for the key of a mask."""
        rules = SelectionRules(spec.rules, [tuple(spec.wanted) or None])
        self._selector = RecordSelector(rules, compile_masks(spec.masks, read_key))
        self._outlet = Outlet(_TERMINAL, build_format(spec.format, spec.raw, spec.source), wants_envelopes=False)

    def treat(self, file: LogFile, bucket: str, key: str) -> Iterator[Treated]:
        """Treat the records of a file, in one step or several. Raises LogFileRejectedError."""
        for selection in self._selector.select(file):
            parcels, lost = pack(selection, Origin(bucket, key, ""), [self._outlet])
            text = b"".join([bytes(parcel.batch.payload) for parcel in parcels])
            yield Treated(
                read=selection.read,
                text=text,
                count=sum(parcel.batch.count for parcel in parcels),
                dropped=selection.dropped,
                unwanted=selection.unrouted,
                broken=[*selection.broken, *lost],
            )
