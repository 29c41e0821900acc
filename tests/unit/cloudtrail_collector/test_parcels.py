"""What each sink gets of a log file: routes, formats, envelopes, and the places of records that are lost on the way."""

import json
from collections.abc import Sequence
from typing import Any

from cloudtrail_collector.core.dead_letter import DeadLetterReason, Origin
from cloudtrail_collector.core.formats import FormatError, FormatEvent, Place
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import compile_masks, refuse_keys
from cloudtrail_collector.core.parcels import Outlet, Parcel, pack
from cloudtrail_collector.core.selection import RecordSelector, Selection, SelectionRules
from cloudtrail_spec.filters import FieldSelector, FilterRule
from cloudtrail_spec.masks import MaskRule

ORIGIN = Origin("bucket", "AWSLogs/key", "message-1")
WRITES = (FieldSelector(field="readOnly", equals=("false",)),)
ERRORS = (FieldSelector(field="errorCode", starts_with=("",)),)


def _record(number: int, **fields: Any) -> dict[str, Any]:
    return {"eventVersion": "1.11", "eventID": f"e{number}", "readOnly": True, **fields}


RECORDS = [
    _record(0),
    _record(1, readOnly=False),
    _record(2, errorCode="AccessDenied"),
    _record(3, readOnly=False, errorCode="AccessDenied", recipientAccountId="111122223333"),
]


def _select(rules: SelectionRules, records: Sequence[dict[str, Any]] = RECORDS, *masks: dict[str, Any]) -> Selection:
    text = b'{"Records":[' + b",".join(json.dumps(one, separators=(",", ":")).encode() for one in records) + b"]}"
    masker = compile_masks([MaskRule.model_validate(mask) for mask in masks], refuse_keys)
    (selection,) = RecordSelector(rules, masker).select(LogFile(b"", len(text), text))
    return selection


def _ids(parcel: Parcel) -> list[str]:
    return [json.loads(line)["eventID"] for line in parcel.batch.lines()]


def _plain(*names: str, format_event: FormatEvent | None = None) -> list[Outlet]:
    return [Outlet(name, format_event, wants_envelopes=False) for name in names]


def test_every_sink_gets_what_its_selectors_match() -> None:
    selection = _select(SelectionRules(routes=[None, WRITES, ERRORS]))
    parcels, broken = pack(selection, ORIGIN, _plain("all", "writes", "errors"))
    assert {parcel.sink: _ids(parcel) for parcel in parcels} == {
        "all": ["e0", "e1", "e2", "e3"],
        "writes": ["e1", "e3"],
        "errors": ["e2", "e3"],
    }
    assert [list(parcel.places) for parcel in parcels] == [[0, 1, 2, 3], [1, 3], [2, 3]]
    assert (selection.unrouted, broken) == (0, [])


def test_events_that_no_sink_takes_are_counted_and_make_no_parcel() -> None:
    selection = _select(SelectionRules(routes=[WRITES, (FieldSelector(field="eventID", equals=("none",)),)]))
    assert selection.unrouted == 2
    parcels, _ = pack(selection, ORIGIN, _plain("writes", "nothing"))
    assert [parcel.sink for parcel in parcels] == ["writes"]


def test_routes_see_what_masks_hide() -> None:
    account = (FieldSelector(field="recipientAccountId", equals=("111122223333",)),)
    selection = _select(SelectionRules(routes=[account]), RECORDS, {"preset": "AccountIds"})
    (parcel,), _ = pack(selection, ORIGIN, _plain("one"))
    assert b"111122223333" not in parcel.batch.payload
    assert _ids(parcel) == ["e3"]


def test_routes_and_places_stay_together_behind_filters() -> None:
    drop = FilterRule.model_validate(
        {"name": "x", "action": "Drop", "fieldSelectors": [{"field": "eventID", "equals": ["e0", "e2"]}]}
    )
    selection = _select(SelectionRules([drop], [WRITES, ERRORS]))
    parcels, _ = pack(selection, ORIGIN, _plain("writes", "errors"))
    assert [(_ids(parcel), list(parcel.places)) for parcel in parcels] == [(["e1", "e3"], [1, 3]), (["e3"], [3])]


def test_each_event_is_formatted_with_its_place_and_once_for_all_sinks_of_a_format() -> None:
    seen: list[Place] = []

    def shout(record: bytes, place: Place) -> bytes:
        seen.append(place)
        return record.upper()

    selection = _select(SelectionRules(routes=[None, None]))
    parcels, _ = pack(selection, ORIGIN, _plain("a", "b", format_event=shout))
    assert seen == [Place("bucket", "AWSLogs/key", index) for index in range(4)]
    assert [parcel.sink for parcel in parcels] == ["a", "b"]
    assert parcels[0].batch.payload == parcels[1].batch.payload == selection.payload.upper()


def test_an_event_that_cannot_be_written_in_a_format_is_lost_for_that_sink_alone() -> None:
    def refuse_one(record: bytes, _place: Place) -> bytes:
        if b'"e2"' in record:
            raise FormatError("no object")
        return record

    selection = _select(SelectionRules(routes=[None, ERRORS]))
    outlets = [*_plain("raw"), Outlet("strict", refuse_one, wants_envelopes=True)]
    (raw, strict), (lost,) = pack(selection, ORIGIN, outlets)
    assert raw.batch.count == 4
    assert (_ids(strict), list(strict.places), [one.event_id for one in strict.batch.envelopes]) == (
        ["e3"],
        [3],
        ["e3"],
    )
    assert (lost.index, lost.reason, lost.sink) == (2, DeadLetterReason.UNFORMATTABLE, "strict")
    assert lost.record is not None
    assert json.loads(lost.record)["eventID"] == "e2"


def test_envelopes_are_read_from_the_masked_record_and_not_from_its_format() -> None:
    selection = _select(SelectionRules(routes=[None]), RECORDS, {"preset": "AccountIds"})
    (parcel,), _ = pack(selection, ORIGIN, [Outlet("kafka", lambda _record, _place: b"{}", wants_envelopes=True)])
    assert [one.event_id for one in parcel.batch.envelopes] == ["e0", "e1", "e2", "e3"]
    assert parcel.batch.envelopes[3].account_id == "000000000000"
    assert parcel.batch.payload == b"{}\n" * 4
