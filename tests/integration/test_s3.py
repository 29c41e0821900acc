"""Reading objects: by obstore as a rule, by boto3 wherever obstore cannot, and never less than the whole object."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.s3 import OVERRULED_LIMIT, S3Objects
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import PipelineSpec
from integration.s3_stand_in import WRITTEN_AT, Answer, S3StandIn

BUCKET = "acme-trail"
BODY = gzip.compress(b'{"Records":[]}' * 1000)
FAST = "cloudtrail-collector/"  # the product that obstore names first; boto3 names itself

Build = Callable[..., S3Objects]


def build_spec(**changes: Any) -> PipelineSpec:
    arn = "arn:aws:sqs:us-east-1:111122223333:trail"
    sinks = [{"name": "out", "discard": {}}]
    base = {"mode": "Active", "bucket": BUCKET, "queueArn": arn, "region": "us-east-1", "sinks": sinks}
    return PipelineSpec.model_validate(base | changes)


@pytest.fixture
def s3() -> Iterator[S3StandIn]:
    with S3StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def build(s3: S3StandIn, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build the adapter for the stand-in, with keys from the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def build_one(**arguments: Any) -> S3Objects:
        spec = build_spec(endpoints={"s3": s3.url})
        return S3Objects(AwsClients(spec, connections=4), spec, **arguments)

    return build_one


def count_agents(s3: S3StandIn) -> tuple[int, int]:
    """Count the requests by obstore and by boto3."""
    fast = sum(request.agent.startswith(FAST) for request in s3.requests)
    return fast, len(s3.requests) - fast


def test_an_object_costs_one_request_and_comes_as_it_is_stored(s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, "AWSLogs/1.json.gz"] = BODY
    remote = build().open(BUCKET, "AWSLogs/1.json.gz")
    assert (remote.size, remote.written_at) == (len(BODY), WRITTEN_AT)
    assert bytes(remote.read()) == BODY
    assert count_agents(s3) == (1, 0)


@pytest.mark.parametrize(
    "key",
    [
        "a+b/x", "a b/x", "a%2Bb/x", "é/x", "e\u0301/x", "a=b/c:d/x", "a~b/%", "100%/x", "日本/😀", "a&b?c#d", "a\\b|c",
        "'\"<>`^{}[]", ".hidden/..a/b..", "*(!)$,;@", "a//b", "/a", "a/", "a/./b", "a/../b", "a\tb", "a\x7fb", "a\u00a0b",
    ],
)  # fmt: skip
def test_t38_every_key_is_asked_for_byte_by_byte(key: str, s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, key] = BODY
    assert bytes(build().open(BUCKET, key).read()) == BODY
    assert s3.requests[-1].path == f"/{BUCKET}/" + quote(key, safe="/~")
    assert len(s3.requests) == 1


def test_t41_a_bucket_in_another_region_is_found_once_and_then_read_there(s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, "home"] = s3.objects["far-trail", "away"] = BODY
    s3.regions = {"far-trail": "eu-central-1", BUCKET: "us-east-1"}
    objects = build()
    assert bytes(objects.open("far-trail", "away").read()) == BODY
    assert {request.method for request in s3.requests} == {"GET"}
    assert len(s3.requests) == 3  # two that found out, one that was right
    s3.requests.clear()
    for _ in range(3):
        assert bytes(objects.open("far-trail", "away").read()) == BODY
        assert bytes(objects.open(BUCKET, "home").read()) == BODY
    assert [request.region for request in s3.requests] == ["eu-central-1", "us-east-1"] * 3
    assert count_agents(s3) == (6, 0)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "NoSuchKey", Reason.OBJECT_NOT_FOUND),
        (404, "NoSuchBucket", Reason.BUCKET_NOT_FOUND),
        (403, "AccessDenied", Reason.ACCESS_DENIED),
        (403, "ExpiredToken", Reason.CREDENTIALS_REJECTED),
        (400, "KMS.DisabledException", Reason.KMS_ACCESS_DENIED),
        (503, "SlowDown", Reason.THROTTLED),
        (500, "InternalError", Reason.AWS_ERROR),
    ],
)
def test_a_refusal_is_told_in_the_words_of_aws(
    status: int, code: str, reason: Reason, s3: S3StandIn, build: Build
) -> None:
    s3.change = lambda *_: Answer(status=status, code=code)
    with pytest.raises(AwsError) as caught:
        build().open(BUCKET, "AWSLogs/x")
    failure = caught.value
    assert (failure.action, failure.code, failure.reason) == ("s3:GetObject", code, reason)
    assert (failure.resource, failure.message) == (f"arn:aws:s3:::{BUCKET}/AWSLogs/x", "as told")
    assert count_agents(s3) == (1, 1)


@pytest.mark.parametrize("answer", [Answer(status=500, code="InternalError"), Answer(BODY, cut=1)])
def test_a_single_fault_is_healed_by_the_second_try(answer: Answer, s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, "x"] = BODY
    s3.next = [answer]
    assert bytes(build().open(BUCKET, "x").read()) == BODY
    assert count_agents(s3) == (1, 1)


@pytest.mark.parametrize("key", ["x", "x//y"])
def test_a_body_that_is_cut_off_is_an_error(key: str, s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, key] = BODY
    s3.change = lambda _, answer: Answer(answer.body, cut=1)
    remote = build().open(BUCKET, key)
    assert remote.size == len(BODY)
    with pytest.raises(AwsError) as caught:
        remote.read()
    assert caught.value.reason is Reason.ENDPOINT_UNREACHABLE


def test_an_answer_that_trickles_on_is_given_up(s3: S3StandIn, build: Build) -> None:
    """No single wait is long: only a limit for the whole helps."""
    s3.objects[BUCKET, "x"] = BODY
    s3.change = lambda _, answer: Answer(answer.body, pause=0.05)
    with pytest.raises(AwsError) as caught:
        build(transfer_seconds=1).open(BUCKET, "x").read()
    assert caught.value.reason is Reason.ENDPOINT_UNREACHABLE
    assert count_agents(s3) == (1, 1)


def test_where_obstore_never_succeeds_it_is_left_alone_for_a_while(s3: S3StandIn, build: Build) -> None:
    s3.objects[BUCKET, "x"] = BODY
    s3.change = lambda request, answer: (
        Answer(status=407, code="ProxyRefuses") if request.agent.startswith(FAST) else answer
    )
    objects = build()
    for _ in range(OVERRULED_LIMIT + 3):
        assert bytes(objects.open(BUCKET, "x").read()) == BODY
    assert count_agents(s3) == (OVERRULED_LIMIT, OVERRULED_LIMIT + 3)


def test_changed_key_files_sign_the_very_next_request(
    s3: S3StandIn, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kubelet changes them: all at once, by switching a link."""
    monkeypatch.setenv("CLOUDTRAIL_CREDENTIALS_DIRECTORY", str(tmp_path))
    s3.objects[BUCKET, "x"] = BODY
    s3.objects[BUCKET, "odd//x"] = BODY
    switch_keys(tmp_path, "AKIDFIRST")
    objects = build()
    for key_id in ("AKIDFIRST", "AKIDSECOND", "AKIDTHIRD"):
        switch_keys(tmp_path, key_id)
        assert bytes(objects.open(BUCKET, "x").read()) == BODY
        assert bytes(objects.open(BUCKET, "odd//x").read()) == BODY
        assert [request.key_id for request in s3.requests[-2:]] == [key_id, key_id]
    assert count_agents(s3) == (3, 3)


def switch_keys(directory: Path, key_id: str) -> None:
    version = directory / f"..{key_id}"
    version.mkdir(exist_ok=True)
    for name, value in {"AWS_ACCESS_KEY_ID": key_id + "\n", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        (version / name).write_text(value)
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(Path("..data") / name)
    link = directory / "..new"
    link.symlink_to(version.name)
    link.replace(directory / "..data")
