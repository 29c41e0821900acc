"""The made-up log files are what tests and benchmarks take them for: repeatable, countable, and like real ones in size."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

from localcluster.corpus import LogFile, generate_log_files

END = datetime(2026, 11, 21, 7, 43, tzinfo=UTC)


def read_records(file: LogFile) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(gzip.decompress(file.body))["Records"]
    return records


def test_same_seed_gives_the_same_files() -> None:
    # The gzip header holds the time of compression.
    first, second = (
        [(file.key, gzip.decompress(file.body)) for file in generate_log_files(4, seed=9, end=END)] for _ in range(2)
    )
    assert first == second
    assert first != [(file.key, gzip.decompress(file.body)) for file in generate_log_files(4, seed=10, end=END)]


def test_every_record_has_an_event_id_of_its_own_which_the_file_lists() -> None:
    files = list(generate_log_files(30, seed=9))
    listed = [event_id for file in files for event_id in file.event_ids]
    assert len(set(listed)) == len(listed)
    assert listed == [record["eventID"] for file in files for record in read_records(file)]
    assert len({file.key for file in files}) == len(files)


def test_records_are_like_real_ones_in_size_repetition_and_noise() -> None:
    files = list(generate_log_files(8, seed=9, events_per_file=375))
    records = [record for file in files for record in read_records(file)]
    text = sum(len(gzip.decompress(file.body)) for file in files)
    assert 1400 < text / len(records) < 1800
    assert 9 < text / sum(len(file.body) for file in files) < 12
    noise = sum(
        record["readOnly"] and record["eventName"].startswith(("Describe", "List", "Get")) for record in records
    )
    assert 0.38 < noise / len(records) < 0.48
    shares = {"tlsDetails": 0.72, "resources": 0.22, "additionalEventData": 0.11, "errorCode": 0.02}
    for field, least in shares.items():
        assert sum(field in record for record in records) / len(records) > least, field


def test_log_normal_sizes_have_the_median_asked_for_and_a_long_tail() -> None:
    sizes = sorted(len(file.event_ids) for file in generate_log_files(201, seed=9, events_per_file=10, sigma=1.0))
    assert 7 <= sizes[100] <= 14
    assert sizes[-1] > 5 * sizes[100]
