"""The bench server speaks enough S3 and SQS for boto3, counts what it is asked to, and a wrong count ends a run."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.files import QUIET, Corpus, is_noise, write_corpus
from bench.measured_run import BenchServer, Load, MiscountError
from bench.sqs_service import ACCOUNT, BUCKET, QUEUE
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT

OBJECTS = 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(QUIET, 5, tmp_path_factory.mktemp("bench") / "corpus")


@pytest.fixture
def server(corpus: Corpus, tmp_path: Path) -> Iterator[BenchServer]:
    with BenchServer(Load(corpus, OBJECTS), tmp_path) as server:
        yield server


def connect(server: BenchServer, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # the stubs want a literal
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=ADMIN_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ADMIN_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def receive(server: BenchServer, limit: int = 10, wait: int = 0) -> list[Any]:
    answer = connect(server, "sqs").receive_message(
        QueueUrl=f"{server.url}/{ACCOUNT}/{QUEUE}",
        MaxNumberOfMessages=limit,
        WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["All"],
    )
    return list(answer.get("Messages", []))


def delete(server: BenchServer, messages: list[Any]) -> Any:
    entries = [{"Id": str(index), "ReceiptHandle": one["ReceiptHandle"]} for index, one in enumerate(messages)]
    queue_url = f"{server.url}/{ACCOUNT}/{QUEUE}"
    return connect(server, "sqs").delete_message_batch(QueueUrl=queue_url, Entries=entries)


def read_announced(server: BenchServer, message: Any) -> list[dict[str, Any]]:
    s3 = json.loads(message["Body"])["Records"][0]["s3"]
    answer = connect(server, "s3").get_object(Bucket=s3["bucket"]["name"], Key=unquote_plus(s3["object"]["key"]))
    records: list[dict[str, Any]] = json.loads(gzip.decompress(answer["Body"].read()))["Records"]
    return records


def test_closed_queue_gives_nothing(server: BenchServer) -> None:
    assert receive(server) == []
    server.ask("open")
    assert len(receive(server)) == 10


def test_consumer_that_does_everything_right_passes_the_check(server: BenchServer, corpus: Corpus) -> None:
    server.ask("open")
    events = 0
    while messages := receive(server):
        for message in messages:
            records = read_announced(server, message)
            events += len(records)
            lines = [json.dumps(record) + "\n" for record in records if not is_noise(record)]
            assert urllib3.request("POST", f"{server.url}/ingest", body="".join(lines)).status == 200
        delete(server, messages)
    assert events == corpus.total("events", OBJECTS)
    assert server.check()["lines"] == corpus.total("kept", OBJECTS)


def test_deleting_without_delivering_is_a_miscount(server: BenchServer) -> None:
    server.ask("open")
    while messages := receive(server):
        delete(server, messages)
    with pytest.raises(MiscountError, match="lines is 0, not"):
        server.check()


def test_message_left_on_the_queue_is_a_miscount(server: BenchServer) -> None:
    server.ask("open")
    receive(server, limit=1)
    with pytest.raises(MiscountError, match=f"deleted is 0, not {OBJECTS}"):
        server.check()


def test_missing_object_is_answered_as_s3_does(server: BenchServer) -> None:
    with pytest.raises(ClientError) as caught:
        connect(server, "s3").get_object(Bucket=BUCKET, Key="AWSLogs/other")
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"


def test_void_receipt_is_refused_in_a_batch_of_visibility_changes(server: BenchServer) -> None:
    server.ask("open")
    (message,) = receive(server, limit=1)
    answer = connect(server, "sqs").change_message_visibility_batch(
        QueueUrl=f"{server.url}/{ACCOUNT}/{QUEUE}",
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 60},
            {"Id": "void", "ReceiptHandle": "nobody's", "VisibilityTimeout": 60},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("void", "ReceiptHandleIsInvalid")]


def test_long_poll_waits_for_a_message_that_comes_back(server: BenchServer) -> None:
    server.ask("open")
    while batch := receive(server):
        held = batch
    connect(server, "sqs").change_message_visibility(
        QueueUrl=f"{server.url}/{ACCOUNT}/{QUEUE}", ReceiptHandle=held[0]["ReceiptHandle"], VisibilityTimeout=1
    )
    assert receive(server) == []
    (again,) = receive(server, wait=10)
    assert again["MessageId"] == held[0]["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
