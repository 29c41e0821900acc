"""How a collector proves who it is, against a stand-in that checks signatures, policies and trust as AWS does.

Every right that a collector has here comes of the role or user under test: the process has no other keys.
"""

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from integration.collector_process import Collector, wait_until
from integration.credential_stand_ins import CredentialServer, pod_identity_agent, short_lived_sts
from integration.queues import ids_of, is_empty, put
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.aws.provision import AUDIENCE, ISSUER_HOST, TrailStorage, build_collector_policy, create_trail_storage
from localcluster.corpus import generate_log_files
from localcluster.process import free_port

_names = itertools.count(1)
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"}
EXTERNAL_ID = "agreed-with-the-other-team"


@dataclass(frozen=True, slots=True)
class Site:
    """A trail in an account that enforces IAM, and a folder that plays the pod's volumes."""

    aws: AwsEndpoint
    name: str
    storage: TrailStorage
    volumes: Path
    start: Callable[..., Collector]

    def start_until_checked(self, environment: dict[str, str], **changes: Any) -> dict[str, str]:
        """Start a collector and wait for what it says about its credentials."""
        collector = self.start(environment, **changes)
        wait_until(lambda: collector.read_check("CredentialsValid")["status"] != "Unknown", "a verdict")
        return collector.read_check("CredentialsValid")

    def collect(self, collector: Collector, *, seed: int, count: int = 4) -> None:
        """Deliver files, and see that every event of them arrives and the queue is empty."""
        files = list(generate_log_files(count, seed=seed, events_per_file=5))
        wanted = collector.count_events() + ids_of(*files)
        put(self.aws, self.storage, *files)
        wait_until(lambda: collector.count_events() == wanted, "every event")
        wait_until(lambda: is_empty(self.aws, self.storage), "an empty queue")

    def write_token(self, subject: str = "system:serviceaccount:default:default") -> Path:
        """Write a token such as the kubelet projects; the stand-in reads its claims and leaves the signature alone."""
        claims = {"iss": f"https://{ISSUER_HOST}", "aud": [AUDIENCE], "sub": subject}
        path = self.volumes / "token"
        path.write_text(f"{_encode({'alg': 'RS256'})}.{_encode(claims)}.{_encode({})}")
        return path

    def build_web_identity(self, **claims: str) -> dict[str, str]:
        """Do what the operator does for IRSA."""
        token = self.write_token(**claims)
        return NO_KEYS | {"AWS_ROLE_ARN": self.storage.role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}

    def create_role(self, suffix: str, principal: str, external_id: str | None = None) -> str:
        """Create a role with a collector's rights that `principal` may assume."""
        iam = self.aws.client("iam")
        statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
        if external_id:
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        role = iam.create_role(RoleName=f"{self.name}-{suffix}", AssumeRolePolicyDocument=json.dumps(trust))
        policy = build_collector_policy(self.storage.queue_arn, self.storage.bucket)
        iam.put_role_policy(RoleName=f"{self.name}-{suffix}", PolicyName="collect", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    def restrict_base_role(self, may_assume: str) -> None:
        """Leave the role of the pod nothing but the right to assume another one."""
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": may_assume}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.aws.client("iam").put_role_policy(
            RoleName=f"{self.name}-collector", PolicyName="collect", PolicyDocument=json.dumps(policy)
        )


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def strict_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("strict-aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def site(strict_aws: AwsEndpoint, tmp_path: Path) -> Iterator[Site]:
    name = f"identity-{next(_names)}"
    storage = create_trail_storage(strict_aws, name)
    strict_aws.client("sqs").purge_queue(QueueUrl=storage.queue_url)
    started: list[Collector] = []

    def start(environment: dict[str, str], **changes: Any) -> Collector:
        spec = {
            "mode": "Active",
            "bucket": storage.bucket,
            "queueArn": storage.queue_arn,
            "region": strict_aws.region,
            "endpointUrl": strict_aws.url,
            "sinks": [{"name": "out", "stdout": {}}],
        } | changes
        directory = tmp_path / f"collector-{len(started)}"
        directory.mkdir()
        collector = Collector(directory, spec, environment)
        started.append(collector)
        collector.start()
        return collector

    volumes = tmp_path / "volumes"
    volumes.mkdir()
    yield Site(strict_aws, name, storage, volumes, start)
    for collector in started:
        collector.kill()


def test_t47_irsa_needs_no_secret(site: Site) -> None:
    collector = site.start(site.build_web_identity())
    site.collect(collector, seed=61)
    assert collector.read_check("CredentialsValid")["status"] == "True"
    assert collector.read_status().get("lastError") is None


def test_t47_pod_identity_needs_no_secret(site: Site) -> None:
    token = site.write_token()
    with pod_identity_agent(site.aws, site.storage.role_arn, token, seconds=3600) as agent:
        collector = site.start(_point_at(agent, token))
        site.collect(collector, seed=62)
        assert agent.given == 1
    assert collector.read_status().get("lastError") is None


def _point_at(agent: CredentialServer, token: Path) -> dict[str, str]:
    return NO_KEYS | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }


@pytest.mark.parametrize("way", ["irsa", "pod-identity"])
def test_credentials_that_expire_while_reading_are_renewed_and_nobody_notices(way: str, site: Site) -> None:
    """Sessions of two seconds, renewed token files, work for longer than two sessions: no error, no event lost."""
    with ExitStack() as stack:
        if way == "irsa":
            server = stack.enter_context(short_lived_sts(site.aws, seconds=2))
            environment, changes = site.build_web_identity(), {"endpoints": {"sts": server.url}}
        else:
            token = site.write_token()
            server = stack.enter_context(pod_identity_agent(site.aws, site.storage.role_arn, token, seconds=2))
            environment, changes = _point_at(server, token), {}
        collector = site.start(environment, **changes)
        for turn in range(2):
            site.collect(collector, seed=630 + turn)
            site.write_token(subject="system:serviceaccount:default:default")
            given = server.given
            wait_until(lambda given=given: server.given > given, "a renewal")  # type: ignore[misc]
        assert collector.read_status().get("lastError") is None
        assert collector.read_check("CredentialsValid")["status"] == "True"


def test_a_mounted_secret_may_be_rotated_and_its_old_key_deleted(site: Site) -> None:
    iam = site.aws.client("iam")
    user = f"{site.name}-user"
    iam.create_user(UserName=user)
    policy = build_collector_policy(site.storage.queue_arn, site.storage.bucket)
    iam.put_user_policy(UserName=user, PolicyName="collect", PolicyDocument=json.dumps(policy))
    first = iam.create_access_key(UserName=user)["AccessKey"]
    _write_keys(site.volumes, first)
    collector = site.start(NO_KEYS | {"CLOUDTRAIL_CREDENTIALS_DIRECTORY": str(site.volumes)})
    site.collect(collector, seed=64)
    _write_keys(site.volumes, iam.create_access_key(UserName=user)["AccessKey"])
    # A receive that began with the old key still waits on it.
    turned = collector.read_status()["lastReceiveAt"]
    wait_until(lambda: collector.read_status()["lastReceiveAt"] > turned, "the running receive to end")
    iam.delete_access_key(UserName=user, AccessKeyId=first["AccessKeyId"])
    site.collect(collector, seed=65)
    assert collector.read_status().get("lastError") is None


def _write_keys(directory: Path, key: dict[str, str]) -> None:
    version = directory / f"..{key['AccessKeyId']}"
    version.mkdir()
    (version / "AWS_ACCESS_KEY_ID").write_text(key["AccessKeyId"])
    (version / "AWS_SECRET_ACCESS_KEY").write_text(key["SecretAccessKey"])
    (directory / "..new").symlink_to(version.name)
    (directory / "..new").replace(directory / "..data")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(Path("..data") / name)


def test_a_role_is_assumed_with_the_role_of_the_pod(site: Site) -> None:
    role = site.create_role("target", site.storage.role_arn, EXTERNAL_ID)
    site.restrict_base_role(may_assume=role)
    assumed = {"roleArn": role, "externalId": EXTERNAL_ID}
    collector = site.start(site.build_web_identity(), assumeRole=assumed)
    site.collect(collector, seed=66)
    assert collector.read_status().get("lastError") is None


def test_a_wrong_external_id_is_named_with_the_role_that_asks_for_it(site: Site) -> None:
    role = site.create_role("target", site.storage.role_arn, EXTERNAL_ID)
    site.restrict_base_role(may_assume=role)
    check = site.start_until_checked(site.build_web_identity(), assumeRole={"roleArn": role, "externalId": "guessed"})
    assert (check["status"], check["reason"]) == ("False", "CredentialsRejected")
    assert check["message"].startswith(f"sts:AssumeRole on {role}: AccessDenied: ")


def test_the_role_of_the_pod_is_named_when_it_is_the_one_that_fails(site: Site) -> None:
    role = site.create_role("target", site.storage.role_arn)
    stranger = site.build_web_identity(subject="system:serviceaccount:other:default")
    check = site.start_until_checked(stranger, assumeRole={"roleArn": role})
    assert (check["status"], check["reason"]) == ("False", "CredentialsRejected")
    wanted = f"sts:AssumeRoleWithWebIdentity on {site.storage.role_arn}: AccessDenied: "
    assert check["message"].startswith(wanted)


def test_a_missing_token_file_is_named_and_its_coming_noticed(site: Site) -> None:
    environment = site.build_web_identity()
    token = Path(environment["AWS_WEB_IDENTITY_TOKEN_FILE"])
    token.unlink()
    collector = site.start(environment)
    wait_until(lambda: collector.read_check("CredentialsValid")["status"] == "False", "the check to fail")
    message = collector.read_check("CredentialsValid")["message"]
    assert message.startswith(f"sts:AssumeRoleWithWebIdentity on {site.storage.role_arn}: FileNotFoundError: ")
    assert str(token) in message
    site.write_token()
    site.collect(collector, seed=67)
    assert collector.read_check("CredentialsValid")["status"] == "True"


def test_a_missing_secret_is_named_and_its_coming_noticed(site: Site) -> None:
    iam = site.aws.client("iam")
    user = f"{site.name}-user"
    iam.create_user(UserName=user)
    policy = build_collector_policy(site.storage.queue_arn, site.storage.bucket)
    iam.put_user_policy(UserName=user, PolicyName="collect", PolicyDocument=json.dumps(policy))
    collector = site.start(NO_KEYS | {"CLOUDTRAIL_CREDENTIALS_DIRECTORY": str(site.volumes)})
    wait_until(lambda: collector.read_check("CredentialsValid")["status"] == "False", "the check to fail")
    message = collector.read_check("CredentialsValid")["message"]
    assert message.startswith(f"readCredentials on {site.volumes}: FileNotFoundError: ")
    assert "AWS_ACCESS_KEY_ID" in message
    _write_keys(site.volumes, iam.create_access_key(UserName=user)["AccessKey"])
    site.collect(collector, seed=68)
    assert collector.read_check("CredentialsValid")["status"] == "True"


def test_an_agent_that_refuses_is_named(site: Site) -> None:
    token = site.write_token()
    other = token.with_name("other")
    other.write_text("another token")
    with pod_identity_agent(site.aws, site.storage.role_arn, other, seconds=3600) as agent:
        check = site.start_until_checked(_point_at(agent, token))
    assert (check["status"], check["reason"]) == ("False", "CredentialsRejected")
    assert check["message"].startswith(f"eks-auth:AssumeRoleForPodIdentity on {agent.url}/v1/credentials: ")


def test_an_sts_that_does_not_answer_is_no_verdict_on_the_credentials(site: Site) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    collector = site.start(site.build_web_identity(), endpoints={"sts": nobody})
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "False", "the check to fail")
    check = collector.read_check("QueueReachable")
    assert check["reason"] == "EndpointUnreachable"
    assert check["message"].startswith(f"sts:AssumeRoleWithWebIdentity on {site.storage.role_arn}: ")
    assert collector.read_check("CredentialsValid")["status"] == "Unknown"


@pytest.mark.parametrize("prefix", ["a+b/", "a b/", "a%2Bb/", "é/", "a=b/c:d/", "~'()*!$&,;@/"])
def test_t38_signatures_of_odd_keys_are_right(prefix: str, site: Site) -> None:
    iam = site.aws.client("iam")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{site.storage.bucket}/*"}
    iam.put_role_policy(
        RoleName=f"{site.name}-collector",
        PolicyName="everything",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    collector = site.start(site.build_web_identity())
    files = [replace(file, key=prefix + file.key) for file in generate_log_files(2, seed=69)]
    put(site.aws, site.storage, *files)
    wanted = ids_of(*files)
    wait_until(lambda: collector.count_events() == wanted, "every event")
    assert collector.read_status().get("lastError") is None
