"""Keys of an archive: by account, region and day, the same for the same events, and never outside of their folder."""

import re
from collections.abc import Sequence

import pytest

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.core.sinks.archive_keys import clean_value, cut_into_objects

NOON = "2026-01-31T12:00:00Z"


def build_batch(*envelopes: Envelope) -> Batch:
    lines = [b'{"n":%d}' % number for number in range(len(envelopes))]
    return Batch(b"".join(line + b"\n" for line in lines), len(lines), envelopes)


def build_envelope(
    time: str | None = NOON, account: str | None = "111122223333", region: str = "eu-west-1"
) -> Envelope:
    return Envelope(event_time=time, account_id=account, region=region)


def list_folders(envelopes: Sequence[Envelope], prefix: str = "cloudtrail/") -> list[str]:
    return [part.key.rpartition("/")[0] for part in cut_into_objects(build_batch(*envelopes), prefix)]


def test_a_key_says_account_region_day_and_the_time_of_the_first_event() -> None:
    late, early = build_envelope("2026-01-31T12:00:09Z"), build_envelope("2026-01-31T12:00:01Z")
    (only,) = cut_into_objects(build_batch(late, early), "cloudtrail/")
    pattern = (
        r"cloudtrail/account=111122223333/region=eu-west-1/date=2026-01-31/20260131T120001Z-[0-9a-f]{20}\.ndjson\.gz"
    )
    assert re.fullmatch(pattern, only.key)
    assert only.content == b'{"n":0}\n{"n":1}\n'


def test_every_event_is_in_exactly_one_object_of_its_partition_in_order() -> None:
    batch = build_batch(
        build_envelope(), build_envelope(account="4"), build_envelope(), build_envelope("2026-02-01T00:00:00Z"),
        build_envelope(region="us-east-1"), build_envelope(),
    )  # fmt: skip
    objects = {part.key.rpartition("/")[0]: part.content for part in cut_into_objects(batch, "p/")}
    assert objects == {
        "p/account=111122223333/region=eu-west-1/date=2026-01-31": b'{"n":0}\n{"n":2}\n{"n":5}\n',
        "p/account=4/region=eu-west-1/date=2026-01-31": b'{"n":1}\n',
        "p/account=111122223333/region=eu-west-1/date=2026-02-01": b'{"n":3}\n',
        "p/account=111122223333/region=us-east-1/date=2026-01-31": b'{"n":4}\n',
    }


def test_the_same_batch_makes_the_same_keys_and_another_one_others() -> None:
    batch = build_batch(build_envelope(), build_envelope())
    assert cut_into_objects(batch, "p/") == cut_into_objects(batch, "p/")
    other = Batch(b'{"n":0}\n{"n":2}\n', 2, batch.envelopes)
    assert cut_into_objects(batch, "p/")[0].key != cut_into_objects(other, "p/")[0].key


@pytest.mark.parametrize("time", [None, "", "yesterday", "2026-13-41T00:00:00Z", "****", "0001-01-01T00:00:00+14:00"])
def test_an_event_without_a_time_has_a_place_too(time: str | None) -> None:
    (only,) = cut_into_objects(build_batch(build_envelope(time)), "")
    assert re.fullmatch(
        r"account=111122223333/region=eu-west-1/date=unknown/unknown-[0-9a-f]{20}\.ndjson\.gz", only.key
    )


def test_what_is_not_known_is_called_unknown() -> None:
    assert list_folders([Envelope()]) == ["cloudtrail/account=unknown/region=unknown/date=unknown"]


def test_a_time_of_another_zone_counts_by_its_day_in_utc() -> None:
    assert list_folders([build_envelope("2026-02-01T00:30:00+01:00")])[0].endswith("date=2026-01-31")


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("111122223333", "111122223333"), ("../../etc", ".._.._etc"), ("..", "unknown"), (".", "unknown"),
        ("a/b", "a_b"), ("****", "_"), ("", "unknown"), (None, "unknown"), ("a b\n\x00é%", "a_b_"), ("x" * 99, "x" * 64),
    ],
)  # fmt: skip
def test_a_value_stays_one_part_of_the_key(value: str | None, cleaned: str) -> None:
    assert clean_value(value) == cleaned
