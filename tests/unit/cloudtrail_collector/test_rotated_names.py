"""Names of rotated files: new ones never meet, and nobody else's files are taken for ours."""

from cloudtrail_collector.core.sinks.rotated_names import RotatedNames

NOON = 1_769_860_800.0  # 2026-01-31T12:00:00Z


def test_a_name_says_when_the_file_was_rotated_and_keeps_the_extension() -> None:
    assert RotatedNames("events.ndjson").build(NOON, ()) == "events-20260131T120000.000Z.ndjson"
    assert RotatedNames("events").build(NOON, ()) == "events-20260131T120000.000Z"
    assert RotatedNames("a.b.ndjson").build(NOON, ()) == "a.b-20260131T120000.000Z.ndjson"


def test_a_name_that_is_taken_compressed_or_not_gets_a_number() -> None:
    names = RotatedNames("events.ndjson")
    first = "events-20260131T120000.000Z.ndjson"
    assert (
        names.build(NOON, {first + ".gz", "events-20260131T120000.000Z-2.ndjson"})
        == "events-20260131T120000.000Z-3.ndjson"
    )


def test_the_oldest_comes_first_and_a_file_in_both_forms_counts_once() -> None:
    names = RotatedNames("events.ndjson")
    ours = [
        "events-20260131T120000.000Z.ndjson",
        "events-20260131T120000.000Z-2.ndjson",
        "events-20260131T120000.000Z-10.ndjson",
        "events-20260201T000000.000Z.ndjson",
    ]
    assert names.list_rotated([*reversed(ours), ours[1] + ".gz"]) == ours


def test_files_of_others_are_left_alone() -> None:
    names = RotatedNames("events.ndjson")
    others = [
        "events.ndjson",
        "events-other-20260131T120000.000Z.ndjson",
        "events-20260131T120000.000Z.ndjson.bak",
        "events-20260131T120000.000Z.json",
        "events-20260131T120000.000Zxndjson",
        "events-2026-01-31.ndjson",
        ".events-20260131T120000.000Z.ndjson.gz.part",
    ]
    assert names.list_rotated(others) == []
    assert names.list_parts([*others, ".other-20260131T120000.000Z.ndjson.gz.part"]) == [others[-1]]
    assert names.build_part("events-20260131T120000.000Z.ndjson") == others[-1]
