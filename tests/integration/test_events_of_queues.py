"""`cloudtrail-collector events` over a queue: nothing is taken from it unless that is asked for."""

import json
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integration.collector_process import wait_until
from integration.command_line import ENVIRONMENT, Answer, ask, build_command
from integration.notification_shapes import SHAPES, build_empty_bodies
from integration.queues import announce, announce_by_hand, build_s3_body, count_messages, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile, generate_log_files


def write(aws: AwsEndpoint, storage: TrailStorage, count: int) -> list[LogFile]:
    announce_by_hand(aws, storage)
    files = list(generate_log_files(count, end=datetime.now(UTC)))
    put(aws, storage, *files)
    return files


def ask_queue(aws: AwsEndpoint, storage: TrailStorage, *arguments: str) -> Answer:
    return ask("events", "--endpoint-url", aws.url, *arguments, f"sqs://{storage.queue_arn}")


def list_ids(files: Sequence[LogFile]) -> list[str]:
    return sorted(event_id for file in files for event_id in file.event_ids)


def test_events_are_printed_and_every_message_given_back(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage, 12)
    for file in files:
        announce(aws, storage, build_s3_body(storage.bucket, file.key))
    answer = ask_queue(aws, storage)
    assert (answer.code, sorted(answer.event_ids)) == (0, list_ids(files))
    assert count_messages(aws, storage.queue_url) == (12, 0)


def test_every_shape_of_notification_is_understood(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage, len(SHAPES))
    for file, build in zip(files, SHAPES.values(), strict=True):
        announce(aws, storage, build(storage.bucket, file.key))
    for body in build_empty_bodies(storage.bucket).values():
        announce(aws, storage, body)
    answer = ask_queue(aws, storage)
    assert (answer.code, sorted(answer.event_ids)) == (0, list_ids(files))


def test_delete_takes_what_was_printed_and_no_more(aws: AwsEndpoint, storage: TrailStorage) -> None:
    files = write(aws, storage, 3)
    for file in files[:2]:
        announce(aws, storage, build_s3_body(storage.bucket, file.key))
    announce(aws, storage, "nobody understands this")
    announce(
        aws, storage, build_s3_body(storage.bucket, files[2].key, "AWSLogs/111122223333/CloudTrail/us-east-1/no.json")
    )
    answer = ask_queue(aws, storage, "--delete")
    assert (answer.code, sorted(answer.event_ids)) == (1, list_ids(files))
    assert "the body is not JSON" in answer.errors
    assert "NoSuchKey" in answer.errors
    assert count_messages(aws, storage.queue_url) == (2, 0)


def test_message_whose_events_were_cut_by_the_limit_stays(aws: AwsEndpoint, storage: TrailStorage) -> None:
    (file,) = write(aws, storage, 1)
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    assert len(file.event_ids) > 2
    answer = ask_queue(aws, storage, "--delete", "--limit", "2")
    assert (answer.code, answer.event_ids) == (0, list(file.event_ids[:2]))
    assert count_messages(aws, storage.queue_url) == (1, 0)


def test_message_whose_log_files_were_not_all_read_stays(aws: AwsEndpoint, storage: TrailStorage) -> None:
    read, other = write(aws, storage, 2)
    announce(aws, storage, build_s3_body(storage.bucket, read.key))
    announce(aws, storage, build_s3_body(storage.bucket, other.key.replace("111122223333", "444455556666")))
    announce(aws, storage, build_empty_bodies(storage.bucket)["test_event"])
    answer = ask_queue(aws, storage, "--delete", "--accounts", "111122223333")
    assert (answer.code, answer.event_ids) == (0, list(read.event_ids))
    assert count_messages(aws, storage.queue_url) == (2, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_stop_gives_messages_back(aws: AwsEndpoint, storage: TrailStorage, number: signal.Signals, code: int) -> None:
    files = write(aws, storage, 2)
    for file in files:
        announce(aws, storage, build_s3_body(storage.bucket, file.key))
    command = build_command(["events", "--endpoint-url", aws.url, f"sqs://{storage.queue_arn}"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(number)
        _, errors = child.communicate(timeout=30)
    assert child.returncode == code
    assert b"Traceback" not in errors
    wait_until(lambda: count_messages(aws, storage.queue_url) == (2, 0), "both messages to be visible")


def test_queue_is_found_by_name_url_and_arn(aws: AwsEndpoint, storage: TrailStorage) -> None:
    (file,) = write(aws, storage, 1)
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    name = storage.queue_arn.rsplit(":", 1)[1]
    by_name = ask("events", "--endpoint-url", aws.url, "--region", aws.region, f"sqs://{name}")
    assert (by_name.code, by_name.event_ids) == (0, list(file.event_ids))
    url = f"{aws.url}/{aws.account_id}/{name}"
    environment = {"AWS_REGION": aws.region, "AWS_ENDPOINT_URL_S3": aws.url}
    for place in (url, f"sqs://{url}"):
        answer = ask("events", place, environment=environment)
        assert (answer.code, answer.event_ids) == (0, list(file.event_ids)), answer.errors
    arn = ask("events", storage.queue_arn, environment={"AWS_ENDPOINT_URL": aws.url})
    assert (arn.code, arn.event_ids) == (0, list(file.event_ids)), arn.errors
    unknown = ask("events", "--endpoint-url", aws.url, "--region", aws.region, "sqs://no-such-queue")
    assert (unknown.code, "NonExistentQueue" in unknown.errors) == (1, True)


def test_configuration_bounds_the_buckets_that_messages_may_name(
    aws: AwsEndpoint, storage: TrailStorage, tmp_path: Path
) -> None:
    (file,) = write(aws, storage, 1)
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    config = tmp_path / "config.json"
    spec = {"bucket": "another-bucket", "queueArn": storage.queue_arn, "region": aws.region}
    config.write_text(json.dumps(spec))
    answer = ask_queue(aws, storage, "--config", str(config), "--delete")
    assert (answer.code, answer.output) == (1, b"")
    assert "in a bucket that the configuration does not name" in answer.errors
    assert count_messages(aws, storage.queue_url) == (1, 0)
