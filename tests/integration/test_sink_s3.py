"""The sink `s3`: what is in the archive, whose rights write it, and what a failure leaves.

Rights are judged by a stand-in that enforces IAM; the process has the keys of a user who may assume a role and no more.
"""

import gzip
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from cloudtrail_collector.adapters.sinks.s3_archive import S3Sink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import read_envelopes
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import AwsFailure, LostAnswer, Reset, Silence, Where

_names = itertools.count(1)
EXTERNAL_ID = "agreed-with-the-archive"
PUT = Where(service="s3", action="PutObject")
Build = Callable[..., S3Sink]
ProxyFor = Callable[["Archive"], FaultProxy]


def build_record(number: int, *, account: str = "111122223333", region: str = "eu-west-1", day: int = 1) -> bytes:
    record = {
        "eventID": f"id-{number}",
        "eventTime": f"2026-01-{day:02d}T12:00:{number:02d}Z",
        "awsRegion": region,
        "recipientAccountId": account,
    }
    return json.dumps(record, separators=(",", ":")).encode()


def build_batch(*records: bytes) -> Batch:
    return Batch(b"".join(record + b"\n" for record in records), len(records), read_envelopes(records))


THREE = build_batch(build_record(1), build_record(2, account="444455556666"), build_record(3, day=2))


@dataclass(frozen=True, slots=True)
class Archive:
    """A bucket, and the role that may write below `cloudtrail/` in it."""

    aws: AwsEndpoint
    bucket: str
    role_arn: str

    def read(self) -> dict[str, list[bytes]]:
        """Read all objects, unpacked, as lines."""
        s3 = self.aws.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        bodies = {key: s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}
        return {key: gzip.decompress(body).splitlines() for key, body in bodies.items()}


@pytest.fixture(scope="module")
def strict_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("strict-aws"), enforce_iam=True) as endpoint:
        yield endpoint


def create_archive(aws: AwsEndpoint, user_arn: str) -> Archive:
    name = f"archive-{next(_names)}"
    aws.client("s3").create_bucket(Bucket=name)
    iam = aws.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    right = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/cloudtrail/*"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_build_policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=_build_policy(right))
    return Archive(aws, name, role["Role"]["Arn"])


def _build_policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def archive(strict_aws: AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive; the process gets the keys of a user who may assume roles."""
    iam = strict_aws.client("iam")
    user = f"pod-{next(_names)}"
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    right = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_user_policy(UserName=user, PolicyName="assume", PolicyDocument=_build_policy(right))
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    set_keys(monkeypatch, keys["AccessKeyId"], keys["SecretAccessKey"])
    return create_archive(strict_aws, arn)


@pytest.fixture
def plain_archive(aws: AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive of the stand-in that judges correctness, and asks for no rights."""
    set_keys(monkeypatch, *ADMIN_ENVIRONMENT.values())
    return create_archive(aws, f"arn:aws:iam::{aws.account_id}:root")


def set_keys(monkeypatch: pytest.MonkeyPatch, key_id: str, secret: str) -> None:
    for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "team.trail")


@pytest.fixture
def proxy_for() -> Iterator[ProxyFor]:
    with ExitStack() as stack:
        yield lambda archive: stack.enter_context(FaultProxy(archive.aws.url))


@pytest.fixture
def build(proxy_for: ProxyFor) -> Iterator[Build]:
    built: list[S3Sink] = []

    def build_one(archive: Archive, timeout: int = 20, **settings: Any) -> S3Sink:
        kind = {
            "bucket": archive.bucket,
            "region": archive.aws.region,
            "roleArn": archive.role_arn,
            "externalId": EXTERNAL_ID,
            "endpointUrl": archive.aws.url,
        } | settings
        spec = {"name": "archive", "timeoutSeconds": timeout, "s3": kind}
        sink = S3Sink(SinkTarget.model_validate(spec))
        built.append(sink)
        return sink

    yield build_one
    for sink in built:
        sink.close()


def test_events_are_archived_by_account_region_and_day(plain_archive: Archive, build: Build) -> None:
    assert list(build(plain_archive).deliver(THREE)) == []
    found = {re.sub("-[0-9a-f]{20}", "", key): lines for key, lines in plain_archive.read().items()}
    assert found == {
        "cloudtrail/account=111122223333/region=eu-west-1/date=2026-01-01/20260101T120001Z.ndjson.gz": [
            build_record(1)
        ],
        "cloudtrail/account=444455556666/region=eu-west-1/date=2026-01-01/20260101T120002Z.ndjson.gz": [
            build_record(2, account="444455556666")
        ],
        "cloudtrail/account=111122223333/region=eu-west-1/date=2026-01-02/20260102T120003Z.ndjson.gz": [
            build_record(3, day=2)
        ],
    }


def test_objects_say_what_they_are_and_with_which_key_they_are_encrypted(plain_archive: Archive, build: Build) -> None:
    key = plain_archive.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    build(plain_archive, kmsKeyId=key).deliver(build_batch(build_record(1)))
    (name,) = plain_archive.read()
    head = plain_archive.aws.client("s3").head_object(Bucket=plain_archive.bucket, Key=name)
    assert (head["ContentType"], head.get("ContentEncoding", "")) == ("application/gzip", "")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_batch_that_comes_again_changes_nothing(plain_archive: Archive, build: Build) -> None:
    sink = build(plain_archive)
    sink.deliver(THREE)
    before = plain_archive.read()
    sink.deliver(THREE)
    assert plain_archive.read() == before


def test_dead_letters_have_a_place_too(plain_archive: Archive, build: Build) -> None:
    build(plain_archive).deliver(build_batch(b'{"code":"400","event":"x"}'))
    ((key, lines),) = plain_archive.read().items()
    assert key.startswith("cloudtrail/account=unknown/region=unknown/date=unknown/unknown-")
    assert lines == [b'{"code":"400","event":"x"}']


def test_many_partitions_are_written_and_a_large_event_is_one_object(plain_archive: Archive, build: Build) -> None:
    records = [build_record(number, account=f"{number:012d}") for number in range(40)]
    large = build_record(50, account="9" * 12)[:-1] + b',"x":"' + b"y" * 6_000_000 + b'"}'
    build(plain_archive).deliver(build_batch(*records, large))
    found = plain_archive.read()
    assert len(found) == 41
    assert sorted(line for lines in found.values() for line in lines) == sorted([*records, large])


def test_the_role_is_assumed_with_the_keys_of_the_pod(archive: Archive, build: Build, proxy_for: ProxyFor) -> None:
    """Neither the user nor anybody else in this process may write."""
    proxy = proxy_for(archive)
    sink = build(archive, endpointUrl=proxy.url)
    sink.deliver(THREE)
    sink.deliver(THREE)
    (asked,) = proxy.read_journal("AssumeRole")
    assert asked.call.arguments["RoleSessionName"] == "team.trail"
    assert asked.call.arguments["ExternalId"] == EXTERNAL_ID
    assert len(archive.read()) == 3


def assert_refused(sink: S3Sink, *words: str) -> SinkError:
    with pytest.raises(SinkError) as caught:
        sink.deliver(THREE)
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    for word in words:
        assert word in caught.value.message
    return caught.value


def test_a_role_that_may_not_write_is_told_with_the_right_that_it_lacks(archive: Archive, build: Build) -> None:
    sink = build(archive, prefix="elsewhere/")
    failure = assert_refused(
        sink, f"role {archive.role_arn} may not s3:PutObject on arn:aws:s3:::{archive.bucket}/else"
    )
    assert failure.code == "AccessDenied"
    assert archive.read() == {}


def test_a_role_that_may_not_be_assumed_is_told(archive: Archive, build: Build) -> None:
    sink = build(archive, externalId="guessed")
    assert_refused(sink, f"no credentials of role {archive.role_arn}: sts:AssumeRole")
    # The right is given: the sink needs no restart.
    iam = archive.aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=archive.bucket, PolicyDocument=_build_policy(trust))
    assert list(sink.deliver(THREE)) == []


def test_a_bucket_that_does_not_exist_is_told(plain_archive: Archive, build: Build) -> None:
    assert_refused(
        build(plain_archive, bucket="no-such-archive"), "bucket no-such-archive does not exist", "NoSuchBucket"
    )


def test_a_key_that_may_not_be_used_is_told(plain_archive: Archive, build: Build, proxy_for: ProxyFor) -> None:
    words = "User is not authorized to perform: kms:GenerateDataKey on this resource"
    proxy = proxy_for(plain_archive)
    proxy.put("kms", AwsFailure(403, "AccessDenied", words), PUT)
    sink = build(plain_archive, endpointUrl=proxy.url, kmsKeyId="alias/archive")
    assert_refused(sink, "may not kms:GenerateDataKey with key alias/archive")


def test_a_failure_of_one_object_fails_the_batch_and_its_repeat_leaves_no_copy(
    plain_archive: Archive, build: Build, proxy_for: ProxyFor
) -> None:
    proxy = proxy_for(plain_archive)
    # More often than boto3 tries by itself.
    where = Where(service="s3", action="PutObject", key="*account=444455556666*")
    proxy.put("one", AwsFailure(500, "InternalError"), where, times=2)
    sink = build(plain_archive, endpointUrl=proxy.url)
    with pytest.raises(SinkError) as caught:
        sink.deliver(THREE)
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_REJECTED, "InternalError")
    assert list(sink.deliver(THREE)) == []
    found = plain_archive.read()
    assert len(found) == 3
    assert sorted(line for lines in found.values() for line in lines) == sorted(THREE.lines())


def test_a_lost_answer_is_asked_again_and_leaves_one_object(
    plain_archive: Archive, build: Build, proxy_for: ProxyFor
) -> None:
    proxy = proxy_for(plain_archive)
    proxy.put("lost", LostAnswer(), PUT, times=1)
    assert list(build(plain_archive, endpointUrl=proxy.url).deliver(build_batch(build_record(1)))) == []
    assert proxy.count("PutObject") == 2
    assert list(plain_archive.read().values()) == [[build_record(1)]]


def test_slow_down_asks_for_a_pause(plain_archive: Archive, build: Build, proxy_for: ProxyFor) -> None:
    proxy = proxy_for(plain_archive)
    proxy.put("slow", AwsFailure(503, "SlowDown"), PUT)
    with pytest.raises(SinkError) as caught:
        build(plain_archive, endpointUrl=proxy.url).deliver(THREE)
    assert caught.value.code == "SlowDown"
    assert caught.value.retry_after == 5.0


@pytest.mark.parametrize("fault", [Silence(), Reset()])
def test_an_endpoint_that_does_not_answer_ends_with_the_timeout(
    plain_archive: Archive, build: Build, proxy_for: ProxyFor, fault: Silence | Reset
) -> None:
    proxy = proxy_for(plain_archive)
    proxy.put("fault", fault, PUT)
    with pytest.raises(SinkError) as caught:
        build(plain_archive, timeout=2, endpointUrl=proxy.url).deliver(THREE)
    assert caught.value.reason is Reason.SINK_UNREACHABLE
    assert (caught.value.code == ACK_TIMEOUT) == isinstance(fault, Silence)
