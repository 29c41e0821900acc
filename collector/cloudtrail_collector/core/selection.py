"""Turns the text of a log file into the event records that leave, as NDJSON, and what became of the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from operator import not_
from typing import Any, overload

import msgspec

from cloudtrail_collector.core.dead_letter import DeadLetterReason, LostRecord
from cloudtrail_collector.core.event_filter import RuleList, SelectorList, list_paths, list_rule_paths
from cloudtrail_collector.core.event_metrics import EventCounter, MatchKey, list_metric_paths
from cloudtrail_collector.core.fields import FieldPlan, UndecodableRecordError, read_text
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import Masker
from cloudtrail_collector.core.record_split import (
    FIRST_KEY,
    UsualDocuments,
    join_cuts,
    restore_cut,
    split_document,
)
from cloudtrail_spec.event_metrics import MetricRule
from cloudtrail_spec.filters import FieldSelector, FilterAction, FilterRule

FEW_RULES = 2
EVENT_ID = "eventID"
AGGREGATED_EVENT_ID = "eventId"


@dataclass(frozen=True, slots=True)
class Selection:
    """What leaves of some records that were read: `payload` is NDJSON with every line ended.

    `places` has the place in the file of every line. `taken` says for each route which lines go there, None for all;
    `unrouted` counts lines that no route takes. `dropped` and `passed` count by name of the rule that decided,
    `repeated` records that were delivered before, `masked` those of the payload that were changed. `event_ids` are those
    of the payload, only where repetitions are looked for. `matches` counts for metrics, over all records.
    """

    read: int
    payload: bytes
    places: Sequence[int]
    taken: Sequence[Sequence[bool] | None] = ()
    unrouted: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    masked: int = 0
    broken: Sequence[LostRecord] = ()
    event_ids: Sequence[str] = ()
    matches: Mapping[MatchKey, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """The number of lines."""
        return len(self.places)


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """What a selector is to do. A route is the selectors of a sink, None where it takes everything."""

    filters: Sequence[FilterRule] = ()
    routes: Sequence[Sequence[FieldSelector] | None] = ()
    metrics: Sequence[MetricRule] = ()


@dataclass(slots=True)
class _Records:
    """Records on their way: their fields, their text (cut or whole), and their places in the file, which go together."""

    fields: Sequence[Any]
    texts: Sequence[Any]
    places: Sequence[int]
    restore: Callable[[Any], bytes]
    join: Callable[[Sequence[Any]], bytes]

    def read(self, number: int) -> bytes:
        return self.restore(self.texts[number])

    def keep(self, stays: Sequence[bool], *, are_fields_wanted: bool = True) -> None:
        self.texts = list(compress(self.texts, stays))
        self.places = _KeptPlaces(self.places, stays, len(self.texts))
        if are_fields_wanted:
            self.fields = list(compress(self.fields, stays))


class _KeptPlaces(Sequence[int]):
    """The places of what stays. They are worked out when they are asked for, which is rare: for metadata, dead letters."""

    def __init__(self, places: Sequence[int], stays: Sequence[bool], count: int) -> None:
        self._before = places
        self._stays = stays
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> int: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[int]: ...
    def __getitem__(self, number: int | slice) -> int | Sequence[int]:
        return self._places[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    @cached_property
    def _places(self) -> list[int]:
        return list(compress(self._before, self._stays))


class RecordSelector:
    """Compiled rules over whole log files: metrics, filters, repetitions, routes, masks. For several threads at once."""

    def __init__(
        self, rules: SelectionRules, masker: Masker | None = None, is_known: Callable[[str], bool] | None = None
    ) -> None:
        """Compile. `is_known` tells of an eventID whether it was delivered before; None: nobody asks."""
        self._masker = masker
        self._names = [rule.name for rule in rules.filters]
        # Then a verdict is never negative: what is dropped is what is not 0.
        self._only_drops = all(rule.action is FilterAction.DROP or rule.rule_set is not None for rule in rules.filters)
        self._is_known = is_known
        ids = [] if is_known is None else [EVENT_ID, AGGREGATED_EVENT_ID]
        routes = [path for route in rules.routes for path in list_paths(route or ())]
        self._plan = FieldPlan([*list_rule_paths(rules.filters), *routes, *list_metric_paths(rules.metrics), *ids])
        self._filter = RuleList(rules.filters, self._plan) if rules.filters else None
        self._routes = [None if route is None else SelectorList(route, self._plan) for route in rules.routes]
        self._counter = EventCounter(rules.metrics, self._plan, self._mask_one) if rules.metrics else None
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
            yield self._select(_Records(*usual, range(len(usual[0])), restore_cut, join_cuts))

    def _select_records(self, records: Sequence[bytes], first_index: int) -> Selection:
        fields: list[Any] = []
        readable: list[bytes] = []
        places: list[int] = []
        broken: list[LostRecord] = []
        for index, record in enumerate(records, first_index):
            try:
                fields.append(self._read_fields(record))
            except UndecodableRecordError as error:
                # What cannot be read cannot be masked either.
                text = None if self._masker else record
                broken.append(LostRecord(index, DeadLetterReason.UNDECODABLE, str(error), text))
            else:
                readable.append(record)
                places.append(index)
        return self._select(_Records(fields, readable, places, _return_whole, _join_lines), broken)

    def _read_fields(self, record: bytes) -> Any:
        try:
            return self._plan.decode(record)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return self._plan.read_slowly(record)

    def _select(self, records: _Records, broken: Sequence[LostRecord] = ()) -> Selection:
        read = len(records.texts) + len(broken)
        matches = self._counter.count(records.fields, records.read) if self._counter else {}
        dropped, passed = self._apply_filters(records)
        before = len(records.texts)
        event_ids = self._drop_repetitions(records)
        taken = [None if route is None else route.match(records.fields, records.read) for route in self._routes]
        selection = Selection(
            read,
            records.join(records.texts),
            records.places,
            taken,
            dropped=dropped,
            passed=passed,
            repeated=before - len(records.texts),
            broken=broken,
            event_ids=event_ids,
            matches=matches,
        )
        if self._masker is not None:
            selection = _mask(selection, self._masker)
        return _count_unrouted(selection)

    def _apply_filters(self, records: _Records) -> tuple[Mapping[str, int], Mapping[str, int]]:
        if self._filter is None:
            return {}, {}
        verdicts = self._filter.decide(records.fields, records.read)
        # A Counter takes four times as long as one count, and most sources have a rule or two.
        count = verdicts.count if len(self._names) <= FEW_RULES else Counter(verdicts).__getitem__
        dropped = {name: found for number, name in enumerate(self._names, 1) if (found := count(number))}
        passed = {}
        if not self._only_drops:
            passed = {name: found for number, name in enumerate(self._names, 1) if (found := count(-number))}
        if dropped:
            are_fields_wanted = self._is_known is not None or any(self._routes)
            keeps = not_ if self._only_drops else (0).__ge__
            records.keep(list(map(keeps, verdicts)), are_fields_wanted=are_fields_wanted)
        return dropped, passed

    def _drop_repetitions(self, records: _Records) -> Sequence[str]:
        """Drop what was delivered before, or stands earlier in the file; returns the ids that stay. Without one it stays."""
        if self._is_known is None:
            return ()
        get, get_aggregated = self._plan.getters[EVENT_ID], self._plan.getters[AGGREGATED_EVENT_ID]
        stays: list[bool] = []
        seen: dict[str, None] = {}
        for one in records.fields:
            event_id = read_text(get(one)) or read_text(get_aggregated(one))
            is_new = event_id is None or not (event_id in seen or self._is_known(event_id))
            stays.append(is_new)
            if is_new and event_id is not None:
                seen[event_id] = None
        records.keep(stays)
        return list(seen)

    def _mask_one(self, record: bytes) -> bytes | None:
        if self._masker is None:
            return record
        return next(iter(self._masker.mask([record]).records), None)


def _mask(selection: Selection, masker: Masker) -> Selection:
    """Mask what leaves; a record that cannot be masked for certain does not."""
    result = masker.mask_lines(selection.payload)
    if not result.refused:
        return replace(selection, payload=result.text, masked=result.masked)
    refused = set(result.refused)
    stays = [line not in refused for line in range(selection.kept)]
    return replace(
        selection,
        payload=result.text,
        places=list(compress(selection.places, stays)),
        taken=[None if route is None else list(compress(route, stays)) for route in selection.taken],
        masked=result.masked,
        broken=[
            *selection.broken,
            *(
                LostRecord(selection.places[line], DeadLetterReason.UNDECODABLE, "the record cannot be masked", None)
                for line in result.refused
            ),
        ],
    )


def _count_unrouted(selection: Selection) -> Selection:
    routes = [route for route in selection.taken if route is not None]
    if not routes or len(routes) < len(selection.taken):
        return selection
    return replace(selection, unrouted=sum(not any(line) for line in zip(*routes, strict=True)))


def _return_whole(record: bytes) -> bytes:
    return record


def _join_lines(records: Sequence[bytes]) -> bytes:
    return b"\n".join([*records, b""])
