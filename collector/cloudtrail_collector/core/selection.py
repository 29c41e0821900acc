"""Turns the text of a log file into the event records that leave, as NDJSON, and what became of the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import msgspec

from cloudtrail_collector.core.event_filter import compile_rules, list_paths
from cloudtrail_collector.core.fields import FieldPlan, UndecodableRecordError, read_text
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import Masker
from cloudtrail_collector.core.record_split import FIRST_KEY, UsualDocuments, join_cuts, split_document
from cloudtrail_spec.filters import FilterRule

EVENT_ID = "eventID"
AGGREGATED_EVENT_ID = "eventId"


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that cannot be read: its place in the file, and what is wrong.

    `record` is its bytes, None where masks are set: what cannot be read cannot be masked either.
    """

    index: int
    record: bytes | None
    error: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What leaves of some records that were read: `payload` is NDJSON with every line ended.

    `dropped` counts by name of the rule, `repeated` those that were delivered before, `masked` those of the
    payload that were changed; `event_ids` are those of the
    payload, only where repetitions are looked for.
    """

    read: int
    payload: bytes
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    masked: int = 0
    broken: Sequence[BrokenRecord] = ()
    event_ids: Sequence[str] = ()


class RecordSelector:
    """Compiled filter rules, then masks, over whole log files. May be used by several threads at once."""

    def __init__(
        self,
        rules: Sequence[FilterRule],
        masker: Masker | None = None,
        is_known: Callable[[str], bool] | None = None,
    ) -> None:
        """Compile. `is_known` tells of an eventID whether it was delivered before; None: nobody asks."""
        self._masker = masker
        self._names = [rule.name for rule in rules]
        self._is_known = is_known
        ids = [] if is_known is None else [EVENT_ID, AGGREGATED_EVENT_ID]
        self._plan = FieldPlan([*list_paths(rules), *ids])
        self._decide = compile_rules(rules, self._plan) if rules else None
        self._usual = UsualDocuments(self._plan.build_strict(FIRST_KEY))

    def select(self, file: LogFile) -> Iterator[Selection]:
        """Select the records of a file, in one step or, if it is large, in several. Raises LogFileRejectedError."""
        if file.text is None:
            index = 0
            for records in file.iterate_records():
                yield self._select_records(records, index)
                index += len(records)
            return
        usual = self._usual.split(file.text)
        if usual is None:
            yield self._select_records(split_document(file.text), 0)
        else:
            yield self._select(*usual, join_cuts, range(len(usual[0])))

    def _select_records(self, records: Sequence[bytes], first_index: int) -> Selection:
        fields: list[Any] = []
        readable: list[bytes] = []
        places: list[int] = []
        broken: list[BrokenRecord] = []
        for index, record in enumerate(records, first_index):
            try:
                fields.append(self._read_fields(record))
            except UndecodableRecordError as error:
                broken.append(BrokenRecord(index, None if self._masker else record, str(error)))
            else:
                readable.append(record)
                places.append(index)
        return self._select(fields, readable, _join_lines, places, broken)

    def _read_fields(self, record: bytes) -> Any:
        try:
            return self._plan.decode(record)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return self._plan.read_slowly(record)

    def _select(
        self,
        fields: Sequence[Any],
        records: Sequence[Any],
        join: Callable[[Sequence[Any]], bytes],
        places: Sequence[int],
        broken: Sequence[BrokenRecord] = (),
    ) -> Selection:
        """Filter, drop repetitions, mask. `fields`, `records` and `places` (in the file) go together."""
        read = len(records) + len(broken)
        dropped: dict[str, int] = {}
        if self._decide is not None:
            verdicts = list(map(self._decide, fields))
            counts = Counter(verdicts)
            dropped = {name: counts[number] for number, name in enumerate(self._names, 1) if counts[number]}
            if dropped:
                stays = [not verdict for verdict in verdicts]
                fields, records, places = (list(compress(one, stays)) for one in (fields, records, places))
        event_ids: list[str] = []
        before = len(records)
        if self._is_known is not None:
            stays, event_ids = self._find_new(fields, self._is_known)
            records, places = (list(compress(one, stays)) for one in (records, places))
        selection = Selection(
            read, join(records), len(records), dropped, before - len(records), broken=broken, event_ids=event_ids
        )
        return selection if self._masker is None else _mask(selection, self._masker, places)

    def _find_new(self, fields: Sequence[Any], is_known: Callable[[str], bool]) -> tuple[list[bool], list[str]]:
        """Tell for each record whether it is new: not delivered before, nor earlier in the file. Without an id it is."""
        get, get_aggregated = self._plan.getters[EVENT_ID], self._plan.getters[AGGREGATED_EVENT_ID]
        stays: list[bool] = []
        seen: dict[str, None] = {}
        for one in fields:
            event_id = read_text(get(one)) or read_text(get_aggregated(one))
            is_new = event_id is None or not (event_id in seen or is_known(event_id))
            stays.append(is_new)
            if is_new and event_id is not None:
                seen[event_id] = None
        return stays, list(seen)


def _mask(selection: Selection, masker: Masker, places: Sequence[int]) -> Selection:
    """Mask what leaves; a record that cannot be masked for certain does not."""
    result = masker.mask_lines(selection.payload)
    refused = [BrokenRecord(places[line], None, "the record cannot be masked") for line in result.refused]
    return replace(
        selection,
        payload=result.text,
        kept=selection.kept - len(refused),
        masked=result.masked,
        broken=[*selection.broken, *refused],
    )


def _join_lines(records: Sequence[bytes]) -> bytes:
    return b"\n".join([*records, b""])
