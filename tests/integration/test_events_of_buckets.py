"""`cloudtrail-collector events` over a bucket: only what is asked for is listed and read, and all of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from integration.command_line import Answer, ask
from integration.queues import announce_by_hand, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile, generate_log_files

ONE, OTHER = "111122223333", "444455556666"
NOON = datetime(2023, 7, 10, 12, 0, tzinfo=UTC)


def write(
    aws: AwsEndpoint, storage: TrailStorage, count: int = 3, *, day: int = 10, account: str = ONE, prefix: str = ""
) -> list[LogFile]:
    announce_by_hand(aws, storage)
    end = NOON.replace(day=day)
    files = list(generate_log_files(count, seed=day + int(account), end=end, account=account, prefix=prefix))
    put(aws, storage, *files)
    return files


def ask_bucket(aws: AwsEndpoint, place: str, *arguments: str) -> Answer:
    return ask("events", "--endpoint-url", aws.url, *arguments, place)


def list_ids(files: list[LogFile]) -> list[str]:
    return sorted(event_id for file in files for event_id in file.event_ids)


def test_everything_below_a_prefix_is_printed_but_digests(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage, prefix="trail/")
    write(aws, storage, day=11, prefix="other/")
    digest = f"trail/AWSLogs/{ONE}/CloudTrail-Digest/us-east-1/2023/07/10/{ONE}_CloudTrail-Digest_us-east-1_x.json.gz"
    aws.client("s3").put_object(Bucket=storage.bucket, Key=digest, Body=b"no log file")
    answer = ask_bucket(aws, f"s3://{storage.bucket}/trail/")
    assert (answer.code, sorted(answer.event_ids)) == (0, list_ids(files))


def test_interval_accounts_and_regions_choose_by_key(aws: AwsEndpoint, storage: TrailStorage) -> None:
    wanted = write(aws, storage, account=ONE, prefix="trail/")
    write(aws, storage, account=OTHER, prefix="trail/")
    write(aws, storage, day=9, account=ONE, prefix="trail/")
    day = "2023-07-10T00:00:00Z-2023-07-10T23:59:59Z"
    place = f"s3://{storage.bucket}/trail/"
    answer = ask_bucket(aws, place, "--interval", day, "--accounts", ONE)
    assert sorted(answer.event_ids) == list_ids(wanted)
    region = ask_bucket(aws, place, "--interval", day, "--accounts", ONE, "--regions", "us-east-1")
    assert sorted(region.event_ids) == list_ids([file for file in wanted if "/us-east-1/" in file.key])


def test_more_keys_than_a_page_holds_are_all_read(aws: AwsEndpoint, storage: TrailStorage) -> None:
    announce_by_hand(aws, storage)
    s3 = aws.client("s3")
    folder = f"AWSLogs/{ONE}/CloudTrail/us-east-1/2023/07/10"
    for number in range(1050):
        record = {"eventVersion": "1.11", "eventID": f"id-{number:04}"}
        key = f"{folder}/{ONE}_CloudTrail_us-east-1_20230710T1200Z_{number:016}.json"
        s3.put_object(Bucket=storage.bucket, Key=key, Body=json.dumps({"Records": [record]}))
    answer = ask_bucket(aws, f"s3://{storage.bucket}", "--interval", "2023-07-10T00:00:00Z-2023-07-11T00:00:00Z")
    assert answer.event_ids == [f"id-{number:04}" for number in range(1050)]


def test_limit_ends_the_listing(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage, count=40)
    answer = ask_bucket(aws, f"s3://{storage.bucket}", "--limit", "5")
    assert (answer.code, len(answer.event_ids)) == (0, 5)
    assert set(answer.event_ids) <= set(list_ids(files))


def test_object_that_is_damaged_is_named_and_the_others_printed(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage)
    broken = f"AWSLogs/{ONE}/CloudTrail/eu-central-1/2023/07/10/0.json.gz"
    aws.client("s3").put_object(Bucket=storage.bucket, Key=broken, Body=files[0].body[:-9])
    answer = ask_bucket(aws, f"s3://{storage.bucket}")
    assert (answer.code, sorted(answer.event_ids)) == (1, list_ids(files))
    assert answer.errors.startswith(f"s3://{storage.bucket}/{broken}: ")


def test_bucket_that_is_not_there_is_named(aws: AwsEndpoint) -> None:
    answer = ask_bucket(aws, "s3://no-such-bucket-at-all")
    assert (answer.code, "NoSuchBucket" in answer.errors) == (1, True)


def test_credentials_and_region_come_from_a_profile(aws: AwsEndpoint, storage: TrailStorage, tmp_path: Path) -> None:
    files = write(aws, storage)
    (tmp_path / "config").write_text(
        "[profile audit]\nregion = us-east-1\naws_access_key_id = test\naws_secret_access_key = test\n"
    )
    environment = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    arguments = ("events", "--endpoint-url", aws.url, f"s3://{storage.bucket}")
    answer = ask(*arguments, "--profile", "audit", environment=environment)
    assert (answer.code, sorted(answer.event_ids)) == (0, list_ids(files))
    without = ask(*arguments, environment=environment)
    assert (without.code, "redentials" in without.errors) == (1, True)
    absent = ask(*arguments, "--profile", "nobody", environment=environment)
    assert (absent.code, "nobody" in absent.errors) == (2, True)


def test_who_has_no_credentials_is_told_how_to_log_in(tmp_path: Path) -> None:
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    answer = ask("events", "--region", "us-east-1", "s3://bucket/AWSLogs/", environment=nobody)
    assert answer.code == 1
    assert "no AWS credentials are found: set AWS_PROFILE, " in answer.errors
