"""`cloudtrail-collector verify` over a bucket: what is whole is proven, and what was done to it is named."""

import gzip
import itertools
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integration.command_line import ENVIRONMENT, Answer, ask, ask_at_terminal, build_command
from integration.http_stand_in import HttpStandIn, Received, Reply
from localcluster.aws import AwsEndpoint
from support.digest_chain import ACCOUNT, HOUR, NOON, REGION, DigestChain, SigningKey, make_key

OTHER_ACCOUNT, OTHER_REGION = "444455556666", "eu-central-1"
INTERVAL = f"{NOON - 4 * HOUR:%Y-%m-%dT%H:%M:%SZ}-{NOON:%Y-%m-%dT%H:%M:%SZ}"
# The hours before and after the interval are there, too.
HOURS, END = 8, NOON + 3 * HOUR
_names = itertools.count(1)
Report = tuple[int, list[dict[str, Any]], dict[str, Any]]


class CloudTrailStandIn:
    """Answers ListPublicKeys, by region, one key a page."""

    def __init__(self, keys: dict[str, list[SigningKey]]) -> None:
        self.keys = keys
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.denied: set[str] = set()

    def decide(self, received: Received) -> Reply:
        assert received.headers["X-Amz-Target"].endswith(".ListPublicKeys")
        region = received.headers["Authorization"].split("/")[2]
        if region in self.denied:
            return Reply(400, b'{"__type": "AccessDeniedException", "message": "not allowed"}')
        request = json.loads(received.body)
        self.asked.append((region, request))
        position = int(request.get("NextToken", "0"))
        keys = self.keys.get(region, [])
        answer: dict[str, Any] = {"PublicKeyList": [key.describe() for key in keys[position : position + 1]]}
        if position + 1 < len(keys):
            answer["NextToken"] = str(position + 1)
        return Reply(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})


@pytest.fixture
def cloudtrail() -> Iterator[tuple[CloudTrailStandIn, str]]:
    keys = [make_key("former"), make_key()]
    stand_in = CloudTrailStandIn({REGION: keys, OTHER_REGION: [make_key("european")]})
    with HttpStandIn(stand_in.decide) as server:
        yield stand_in, server.url


@pytest.fixture
def verify(aws: AwsEndpoint, cloudtrail: tuple[CloudTrailStandIn, str]) -> Callable[..., Answer]:
    """Runs the command against moto's S3 and the stand-in for CloudTrail."""
    environment = {"AWS_ENDPOINT_URL_S3": aws.url, "AWS_ENDPOINT_URL_CLOUDTRAIL": cloudtrail[1]}

    def run(place: str | Path, *arguments: str | Path, interval: str = INTERVAL) -> Answer:
        return ask("verify", "--interval", interval, *arguments, place, environment=environment)

    return run


@pytest.fixture
def bucket(aws: AwsEndpoint) -> str:
    name = f"verify-{next(_names)}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


def store(aws: AwsEndpoint, bucket: str, *chains: DigestChain, archived: tuple[str, ...] = ()) -> None:
    """Put what trails wrote into a bucket; what is archived cannot be read."""
    s3 = aws.client("s3")
    for chain in chains:
        for key, stored in chain.objects.items():
            kind = "GLACIER" if key in archived else "STANDARD"
            s3.put_object(Bucket=bucket, Key=key, Body=stored.body, Metadata=stored.metadata, StorageClass=kind)


def build(bucket: str, **settings: Any) -> DigestChain:
    return DigestChain(bucket=bucket, **settings).add_hours(HOURS, end=END)


def read(answer: Answer) -> Report:
    """Read what `--output json` prints: exit code, findings, summary."""
    lines = [json.loads(line) for line in answer.output.splitlines()]
    assert lines, answer.errors
    return answer.code, lines[:-1], lines[-1]["summary"]


def list_kinds(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["finding"], name_of(one["object"])) for one in findings]


def name_of(key: str) -> str:
    return key.rpartition("/")[2]


def test_whole_bucket_is_proven(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer], cloudtrail: tuple[CloudTrailStandIn, str]
) -> None:
    """Two accounts of an organization, two regions with keys of their own, and empty hours."""
    european = make_key("european")
    chains = [
        build(bucket, prefix="audit/", organization="o-abc123/", account=account, region=region, key=key)
        for account in (ACCOUNT, OTHER_ACCOUNT)
        for region, key in ((REGION, make_key()), (OTHER_REGION, european))
    ]
    store(aws, bucket, *chains)
    answer = verify(f"s3://{bucket}/audit/", "--output", "json")
    code, findings, summary = read(answer)
    assert (code, findings, answer.errors) == (0, [], "")
    assert {name: number for name, number in summary.items() if number} == {
        "sections": 4,
        "digestsVerified": 16,
        "logsVerified": 32,
        "namesHeld": summary["namesHeld"],
    }
    assert {(region, request.get("NextToken")) for region, request in cloudtrail[0].asked} == {
        (REGION, None),
        (REGION, "1"),
        (OTHER_REGION, None),
    }


def test_summary_counts_what_was_verified(aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]) -> None:
    chain = build(bucket)
    empty = DigestChain(bucket=bucket, region=OTHER_REGION, key=make_key("european")).add_hours(HOURS, end=END, logs=0)
    store(aws, bucket, chain, empty)
    answer = verify(f"s3://{bucket}")
    assert answer.code == 0
    assert answer.output.decode() == (
        "2 regions of accounts; digest files: 8 verified; log files: 8 verified; 0 problems, 0 notices\n"
    )
    only = verify(f"s3://{bucket}", "--regions", REGION, "--accounts", ACCOUNT)
    assert only.output.decode().startswith("1 region of accounts; digest files: 4 verified; log files: 8 verified; ")


def test_altered_and_missing_log_files_are_named(aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]) -> None:
    chain = build(bucket)
    altered, appended, cut, missing = chain.logs[4:8]
    chain.alter(altered)
    chain.objects[appended] = replace(chain.objects[appended], body=chain.objects[appended].body + gzip.compress(b""))
    chain.objects[cut] = replace(chain.objects[cut], body=chain.objects[cut].body[:-9])
    chain.delete(missing)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert code == 1
    assert sorted(list_kinds(findings)) == sorted(
        [
            ("log_altered", name_of(altered)),
            ("log_altered", name_of(appended)),
            ("log_altered", name_of(cut)),
            ("log_missing", name_of(missing)),
        ]
    )
    assert (summary["logsVerified"], summary["logsAltered"], summary["logsMissing"]) == (4, 3, 1)
    assert (findings[0]["accountId"], findings[0]["region"], findings[0]["level"]) == (ACCOUNT, REGION, "problem")


def test_text_has_a_line_for_each_finding_and_a_summary(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = build(bucket)
    chain.delete(chain.logs[5])
    store(aws, bucket, chain)
    answer = verify(f"s3://{bucket}")
    line, summary = answer.output.decode().splitlines()
    assert line.startswith(
        f"problem  log_missing          s3://{bucket}/{chain.logs[5]}: The log file is gone. (SHA-256 was "
    )
    assert summary.endswith("digest files: 4 verified; log files: 7 verified, 1 missing; 1 problem, 0 notices")


def test_log_file_that_no_digest_file_names_is_found(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = build(bucket)
    smuggled = chain.add_log(NOON - 2 * HOUR - timedelta(minutes=10))
    late = chain.add_log(NOON - 3 * HOUR - timedelta(minutes=1))
    chain.add_hour(NOON - HOUR, logs=0, named=[late], suffix="_backfill", signed_at="2023-07-11T08:00:00Z")
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, list_kinds(findings)) == (1, [("log_not_covered", name_of(smuggled))])
    assert summary["logsVerified"] == 9


def test_deleted_digest_files_are_found(aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]) -> None:
    """T-46: two in a row; their log files are covered by nothing."""
    chain = build(bucket)
    first, second = chain.digests[2:4]
    chain.delete(first, second)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    expected = [("digest_missing", name_of(second)), ("digests_missing", name_of(chain.digests[4]))]
    expected += [("log_not_covered", name_of(key)) for key in chain.logs[4:8]]
    assert (code, sorted(list_kinds(findings))) == (1, sorted(expected))
    assert (summary["digestsVerified"], summary["logsNotCovered"]) == (2, 4)


def test_altered_resigned_and_malformed_digest_files_are_named(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = build(bucket)
    malformed, altered, resigned = chain.digests[2:5]
    chain.alter(malformed, b'{"logFiles": 1}')
    chain.alter(altered)
    mallory = make_key("mallory")
    kept = chain.read(resigned)["logFiles"][:1]
    chain.forge(resigned, mallory, logFiles=kept, digestPublicKeyFingerprint=mallory.fingerprint)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    found = [one for one in list_kinds(findings) if one[0] != "log_not_covered"]
    assert code == 1
    assert found == [
        ("digest_resigned", name_of(resigned)),
        ("log_unverifiable", name_of(resigned)),
        ("digest_altered", name_of(altered)),
        ("log_unverifiable", name_of(altered)),
        ("digest_malformed", name_of(malformed)),
    ]
    detail = next(one["detail"] for one in findings if one["finding"] == "digest_malformed")
    assert detail.startswith("digestStartTime: is missing; digestEndTime: is missing; awsAccountId: is missing; ")
    assert (summary["digestsNotVerified"], summary["logsUnverifiable"], summary["logsNotCovered"]) == (3, 3, 3)


def test_copied_bucket_is_moved_until_it_is_told_what_it_is_a_copy_of(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    """AW-14: a copy fails, as moved; with --copy-of it is verified, also below another prefix."""
    chain = build("original", prefix="audit/")
    store(aws, bucket, chain)
    code, findings, _ = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, {one["finding"] for one in findings}) == (1, {"digest_moved", "log_unverifiable"})
    assert read(verify(f"s3://{bucket}", "--output", "json", "--copy-of", "s3://original"))[:2] == (0, [])
    moved = DigestChain(bucket="unused")
    moved.objects = {key.replace("audit/", "kept/2023/", 1): stored for key, stored in chain.objects.items()}
    altered = chain.logs[4].replace("audit/", "kept/2023/", 1)
    moved.alter(altered)
    store(aws, bucket, moved)
    answer = verify(f"s3://{bucket}/kept/2023", "--output", "json", "--copy-of", "s3://original/audit")
    assert [(one["finding"], one["object"]) for one in read(answer)[1]] == [("log_altered", f"s3://{bucket}/{altered}")]


def test_chain_from_another_bucket_and_a_new_chain_are_notices(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = DigestChain(bucket=bucket).add_hours(3, end=NOON - 2 * HOUR)
    chain.restart()
    chain.add_hours(5, end=END)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, [one["finding"] for one in findings], summary["notices"]) == (0, ["chain_restarted"], 1)


def test_bucket_without_digest_files_is_not_proven(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = build(bucket)
    chain.delete(*chain.digests)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, [one["finding"] for one in findings], summary["logsNotCovered"]) == (1, ["no_digests"], 8)


def test_region_whose_log_files_are_all_gone_is_found(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = build(bucket)
    chain.delete(*chain.logs)
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, {one["finding"] for one in findings}, summary["logsMissing"]) == (1, {"log_missing"}, 8)


def test_what_cannot_be_read_is_no_sign_of_alteration(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    """A log file in a bucket that does not answer: exit code 2, as for any other trouble with access."""
    chain = build(bucket)
    document = chain.read(chain.digests[-1])
    first = document["logFiles"][0] | {"s3Bucket": f"{bucket}-gone"}
    chain.forge(chain.digests[-1], chain.key, logFiles=[first, *document["logFiles"]])
    store(aws, bucket, chain)
    until = f"{NOON - 4 * HOUR:%Y-%m-%dT%H:%M:%SZ}-{END:%Y-%m-%dT%H:%M:%SZ}"
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json", interval=until))
    assert (code, [one["finding"] for one in findings], summary["logsUnreadable"]) == (2, ["log_unreadable"], 1)
    assert findings[0]["detail"].startswith(f"in bucket {bucket}-gone: s3:GetObject on arn:aws:s3:::{bucket}-gone/")


def test_key_that_nobody_has_is_asked_for_in_the_home_region_too(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer], cloudtrail: tuple[CloudTrailStandIn, str]
) -> None:
    unknown = build(bucket, key=make_key("unknown"), region=OTHER_REGION)
    store(aws, bucket, unknown)
    code, findings, _ = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, {one["finding"] for one in findings}) == (1, {"public_key_unknown", "log_unverifiable"})
    detail = f"fingerprint {make_key('unknown').fingerprint}, region {OTHER_REGION}"
    assert findings[0]["detail"] == detail
    assert {region for region, _ in cloudtrail[0].asked} == {OTHER_REGION, REGION}
    # Only the region of the digest files must answer: the home region is what their names say.
    cloudtrail[0].denied.add(REGION)
    assert {one["finding"] for one in read(verify(f"s3://{bucket}", "--output", "json"))[1]} == {
        "public_key_unknown",
        "log_unverifiable",
    }


def test_backfill_is_verified_with_the_key_of_the_time_that_it_was_made(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer], cloudtrail: tuple[CloudTrailStandIn, str]
) -> None:
    chain = build(bucket)
    late = chain.add_log(NOON - timedelta(minutes=30))
    chain.restart()
    chain.add_hour(NOON, logs=0, named=[late], suffix="_backfill", signed_at="2023-09-01T08:00:00Z")
    store(aws, bucket, chain)
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, findings, summary["logsVerified"]) == (0, [], 9)
    starts = sorted(request["StartTime"] for _, request in cloudtrail[0].asked)
    assert starts[-1] - starts[0] > 40 * 24 * 3600


@pytest.mark.parametrize("form", ["json", "pem", "pem-info", "base64"])
def test_keys_in_a_file_need_no_cloudtrail(
    aws: AwsEndpoint,
    bucket: str,
    verify: Callable[..., Answer],
    cloudtrail: tuple[CloudTrailStandIn, str],
    tmp_path: Path,
    form: str,
) -> None:
    key, other = make_key(), make_key("other")
    texts = {
        "json": json.dumps({"PublicKeyList": [other.describe(), key.describe()]}),
        "pem": "\n".join(one.encode(Encoding.PEM, PublicFormat.PKCS1).decode() for one in (other, key)),
        "pem-info": key.encode(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "base64": "\n".join(one.describe()["Value"] for one in (other, key)),
    }
    (tmp_path / "keys").write_text(texts[form])
    store(aws, bucket, build(bucket))
    answer = verify(f"s3://{bucket}", "--output", "json", "--public-keys", tmp_path / "keys")
    assert read(answer)[:2] == (0, [])
    assert cloudtrail[0].asked == []


def test_copy_in_a_folder_is_verified_without_metadata(verify: Callable[..., Answer], tmp_path: Path) -> None:
    """Signatures are those that successors name; that of the newest digest file is lost."""
    chain = build("original", prefix="audit/")
    chain.alter(chain.logs[6])
    root = tmp_path / "copy"
    for key, stored in chain.objects.items():
        path = root / key.removeprefix("audit/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored.body)
    (tmp_path / "keys").write_text(json.dumps({"PublicKeyList": [make_key().describe()]}))
    arguments = ("--output", "json", "--public-keys", tmp_path / "keys")
    code, findings, summary = read(verify(root, *arguments, "--copy-of", "s3://original/audit"))
    assert (code, list_kinds(findings)) == (1, [("log_altered", name_of(chain.logs[6]))])
    assert findings[0]["object"] == str(root / chain.logs[6].removeprefix("audit/"))
    assert summary["logsVerified"] == 7
    code, findings, _ = read(verify(root, *arguments))
    assert [one["finding"] for one in findings].count("digest_moved") == 4
    newest = f"{END - HOUR:%Y-%m-%dT%H:%M:%SZ}-{END:%Y-%m-%dT%H:%M:%SZ}"
    _, findings, _ = read(verify(root, *arguments, "--copy-of", "s3://original/audit", interval=newest))
    assert [one["finding"] for one in findings][:1] == ["signature_missing"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--interval", "5x", "s3://bucket"), "--interval 5x: "),
        (("--interval", "5d", "s3://"), "name a bucket, s3://bucket or s3://bucket/prefix"),
        (("--interval", "5d", "sqs://queue"), "sqs://queue: no such folder; write a folder or s3://bucket/prefix"),
        (("--interval", "5d", "--copy-of", "bucket", "."), "bucket: name a bucket"),
        (("--interval", "5d", "--public-keys", "absent", "."), "--public-keys absent: No such file"),
        (("--interval", "2999-01-01T00:00:00Z-2999-01-02T00:00:00Z", "."), "it has not begun yet"),
        (("s3://bucket",), "--interval"),
    ],
)
def test_wrong_use_is_explained(arguments: tuple[str, ...], said: str) -> None:
    answer = ask("verify", *arguments)
    assert (answer.code, said in answer.errors, answer.output) == (2, True, b"")


def test_places_without_a_trail_are_refused(aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]) -> None:
    empty = verify(f"s3://{bucket}")
    assert (empty.code, "no trail's folders" in empty.errors) == (2, True)
    store(aws, bucket, build(bucket))
    deep = verify(f"s3://{bucket}/AWSLogs/{ACCOUNT}/CloudTrail/")
    assert (deep.code, "name what stands above CloudTrail/" in deep.errors) == (2, True)
    absent = verify(f"s3://{bucket}", "--regions", "eu-west-3")
    assert (absent.code, "folders" in absent.errors) == (2, True)
    gone = verify("s3://no-such-bucket-at-all")
    assert (gone.code, "stopped: s3:ListBucket on arn:aws:s3:::no-such-bucket-at-all: NoSuchBucket" in gone.errors) == (
        2,
        True,
    )


def test_missing_right_to_list_keys_names_the_way_out(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer], cloudtrail: tuple[CloudTrailStandIn, str]
) -> None:
    cloudtrail[0].denied.add(REGION)
    store(aws, bucket, build(bucket))
    answer = verify(f"s3://{bucket}")
    assert answer.code == 2
    assert "stopped: cloudtrail:ListPublicKeys on region us-east-1: AccessDeniedException" in answer.errors
    assert "--public-keys" in answer.errors


def test_nothing_is_written(aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]) -> None:
    chain = build(bucket)
    chain.alter(chain.logs[6])
    store(aws, bucket, chain)
    s3 = aws.client("s3")
    before = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert verify(f"s3://{bucket}").code == 1
    assert s3.list_objects_v2(Bucket=bucket)["Contents"] == before


def test_progress_is_shown_on_a_terminal(
    aws: AwsEndpoint, bucket: str, cloudtrail: tuple[CloudTrailStandIn, str]
) -> None:
    store(aws, bucket, build(bucket))
    environment = {"AWS_ENDPOINT_URL_S3": aws.url, "AWS_ENDPOINT_URL_CLOUDTRAIL": cloudtrail[1]}
    output, shown = ask_at_terminal("verify", "--interval", INTERVAL, f"s3://{bucket}", environment=environment)
    assert (b" log files" in shown, f"{ACCOUNT} {REGION}".encode() in shown) == (True, True)
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_it_at_once(aws: AwsEndpoint, bucket: str, number: signal.Signals) -> None:
    store(aws, bucket, build(bucket))
    asked, go_on = threading.Event(), threading.Event()

    def decide(_: Received) -> Reply:
        asked.set()
        go_on.wait(30)
        return Reply(200, b'{"PublicKeyList": []}')

    with HttpStandIn(decide) as server:
        environment = ENVIRONMENT | {"AWS_ENDPOINT_URL_S3": aws.url, "AWS_ENDPOINT_URL_CLOUDTRAIL": server.url}
        command = build_command(["verify", "--interval", INTERVAL, f"s3://{bucket}"])
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
            assert asked.wait(30)
            child.send_signal(number)
            output, errors = child.communicate(timeout=30)
        go_on.set()
    assert (child.returncode, output, errors) == (130, b"", b"")


def test_archived_objects_are_unreadable_and_nothing_else(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    """The log files that an unreadable digest file names are not called uncovered."""
    chain = build(bucket)
    digest, log = chain.digests[3], chain.logs[5]
    store(aws, bucket, chain, archived=(digest, log))
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, list_kinds(findings)) == (
        2,
        [("digest_unreadable", name_of(digest)), ("log_unreadable", name_of(log))],
    )
    assert "InvalidObjectState" in findings[0]["detail"]
    assert (summary["digestsVerified"], summary["digestsNotVerified"]) == (3, 1)
    assert (summary["logsVerified"], summary["logsUnreadable"], summary["logsUnverifiable"]) == (5, 1, 2)


def test_two_trails_in_the_same_folders_have_a_chain_each(aws: AwsEndpoint, bucket: str, tmp_path: Path) -> None:
    """Each names its own log files. Here with --endpoint-url, and keys from a file."""
    chain = build(bucket)
    # Numbers go on, so that no log file has the name of another.
    other = DigestChain(bucket=bucket, trail="other-trail", first_log=1000).add_hours(HOURS, end=END, logs=3)
    (tmp_path / "keys").write_text(json.dumps({"PublicKeyList": [make_key().describe()]}))
    store(aws, bucket, chain, other)
    arguments = (
        "--interval",
        INTERVAL,
        "--endpoint-url",
        aws.url,
        "--public-keys",
        tmp_path / "keys",
        "--output",
        "json",
    )
    code, findings, summary = read(ask("verify", *arguments, f"s3://{bucket}"))
    assert (code, findings, summary["digestsVerified"], summary["logsVerified"]) == (0, [], 8, 20)
    aws.client("s3").delete_object(Bucket=bucket, Key=other.digests[4])
    code, findings, _ = read(ask("verify", *arguments, f"s3://{bucket}"))
    expected = [("digest_missing", name_of(other.digests[4]))]
    expected += [("log_not_covered", name_of(key)) for key in other.logs[12:15]]
    assert (code, sorted(list_kinds(findings))) == (1, sorted(expected))


def test_trail_that_was_given_another_prefix_comes_from_elsewhere(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    former = DigestChain(bucket=bucket, prefix="former/").add_hours(4, end=NOON - 2 * HOUR)
    chain = DigestChain(bucket=bucket, prefix="now/").add_hours(1, end=NOON - 2 * HOUR)
    chain.continue_from(bucket, former.digests[-1])
    chain.delete(*chain.objects)
    chain.add_hours(5, end=END)
    store(aws, bucket, former, chain)
    code, findings, _ = read(verify(f"s3://{bucket}/now/", "--output", "json"))
    assert (code, [one["finding"] for one in findings]) == (0, ["chain_elsewhere"])
    code, findings, _ = read(verify(f"s3://{bucket}", "--output", "json"))
    assert (code, [one["finding"] for one in findings]) == (1, ["chain_ended", "chain_elsewhere"])


def test_hash_of_an_unknown_algorithm_proves_nothing(
    aws: AwsEndpoint, bucket: str, verify: Callable[..., Answer]
) -> None:
    chain = DigestChain(bucket=bucket).add_hours(7, end=END - HOUR)
    chain.add_hour(END)
    newest = chain.digests[-1]
    entries = [entry | {"hashAlgorithm": "SHA3-256"} for entry in chain.read(newest)["logFiles"]]
    chain.forge(newest, chain.key, logFiles=entries)
    store(aws, bucket, chain)
    until = f"{END - HOUR:%Y-%m-%dT%H:%M:%SZ}-{END:%Y-%m-%dT%H:%M:%SZ}"
    code, findings, summary = read(verify(f"s3://{bucket}", "--output", "json", interval=until))
    assert (code, [one["finding"] for one in findings]) == (1, ["log_unverifiable"] * 2)
    assert summary["logsUnverifiable"] == 2
