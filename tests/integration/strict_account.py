"""An account of a stand-in that enforces IAM, and what owners of a source do in it."""

import base64
import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from cloudtrail_operator.__main__ import main
from integration.backfill_process import BackfillWorker
from integration.collector_process import Collector
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import ISSUER_HOST, MINISTACK_ACTIONS, TrailStorage, create_trail_storage
from support.aws_setups import write_source

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"}
SUBJECT = "system:serviceaccount:security:org-trail-collector"
AUDIENCE = "sts.amazonaws.com"


def run_command(*arguments: str) -> str:
    """Run `cloudtrail-operator aws …`; returns what it prints."""
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["aws", *arguments]) == 0
    return printed.getvalue()


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a test, and what its source is called and says."""

    aws: AwsEndpoint
    folder: Path
    name: str
    started: list[Collector]

    def print_for(self, spec: dict[str, Any], *arguments: str) -> str:
        return run_command(*arguments, "-f", write_source(self.folder, **spec))

    def build_spec(self, storage: TrailStorage, **changes: Any) -> dict[str, Any]:
        return {
            "mode": "Active",
            "bucket": storage.bucket,
            "queueArn": storage.queue_arn,
            "region": self.aws.region,
            "endpointUrl": self.aws.url,
            "sinks": [{"name": "out", "stdout": {}}],
            "roleArn": storage.role_arn,
        } | changes

    def give(self, role_arn: str, policy: str, trust: str | None = None) -> None:
        """Do with a role what the documents are for, as `aws iam` would."""
        name = role_arn.rpartition("/")[2]
        iam = self.aws.client("iam")
        iam.put_role_policy(RoleName=name, PolicyName="collect", PolicyDocument=policy)
        self.repair_batches(name, policy)
        if trust:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)

    def repair_batches(self, role: str, policy: str) -> None:
        """Allow the batch calls of what is allowed singly: so does AWS by itself, and ministack does not."""
        for statement in json.loads(policy)["Statement"]:
            batches = [action for action in MINISTACK_ACTIONS if action.removesuffix("Batch") in statement["Action"]]
            if batches:
                extra = {"Effect": "Allow", "Action": batches, "Resource": statement["Resource"]}
                document = json.dumps({"Version": "2012-10-17", "Statement": [extra]})
                self.aws.client("iam").put_role_policy(RoleName=role, PolicyName="batches", PolicyDocument=document)

    def start(self, spec: dict[str, Any], keys: dict[str, str] | None = None) -> Collector:
        """Start a collector that has nothing but these keys, or a token for the role of its source."""
        directory = self.folder / f"collector-{len(self.started)}"
        directory.mkdir()
        environment = keys or self.build_environment(spec["roleArn"], directory)
        pipeline = {field: value for field, value in spec.items() if field != "roleArn"}
        collector = Collector(directory, pipeline, environment)
        self.started.append(collector)
        collector.start()
        return collector

    def start_backfill(self, source: dict[str, Any], interval: Sequence[str], name: str) -> BackfillWorker:
        """Start the only worker of a backfill, with nothing but a token for the role of its settings."""
        directory = self.folder / f"worker-{len(self.started)}"
        directory.mkdir()
        pipeline = {field: value for field, value in source.items() if field != "roleArn"}
        since, until = interval
        task = {"pipeline": pipeline, "since": since, "until": until, "progressName": name}
        subject = f"system:serviceaccount:security:{name}-backfill"
        environment = self.build_environment(source["roleArn"], directory, subject)
        worker = BackfillWorker(directory, task, directory / "progress.json", environment, share=0)
        self.started.append(worker)
        worker.start()
        return worker

    def build_environment(self, role_arn: str, folder: Path, subject: str = SUBJECT) -> dict[str, str]:
        """Do what the operator does for IRSA."""
        token = folder / "token"
        token.write_text(build_token(subject))
        return NO_KEYS | {"AWS_ROLE_ARN": role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}

    def become(self, role_arn: str, subject: str = SUBJECT, audience: str = AUDIENCE) -> Callable[[str], Any]:
        """Assume a role as a pod does; returns what makes clients with it. Raises ClientError."""
        answer = self.aws.client("sts").assume_role_with_web_identity(
            RoleArn=role_arn,
            RoleSessionName="test",
            WebIdentityToken=build_token(subject, audience),
        )
        return self._connect_with(answer["Credentials"])

    def become_next(self, client_of: Callable[[str], Any], role_arn: str, **more: str) -> Callable[[str], Any]:
        """Assume another role with what one has. Raises ClientError."""
        answer = client_of("sts").assume_role(RoleArn=role_arn, RoleSessionName="test", **more)
        return self._connect_with(answer["Credentials"])

    def _connect_with(self, keys: dict[str, str]) -> Callable[[str], Any]:
        def connect(service: str) -> Any:
            return boto3.client(
                service,  # type: ignore[call-overload]  # the stubs want a literal
                endpoint_url=self.aws.url,
                region_name=self.aws.region,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
            )

        return connect


def build_token(subject: str, audience: str = AUDIENCE) -> str:
    """Build a token such as the kubelet projects; its only audience stands by itself, as AWS compares it."""

    def encode(part: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    claims = {"iss": f"https://{ISSUER_HOST}", "aud": audience, "sub": subject}
    return f"{encode({'alg': 'RS256'})}.{encode(claims)}.{encode({})}"


def create_empty_storage(account: Account) -> TrailStorage:
    """Create bucket, queue and a role whose policy and trust a test replaces; the queue is empty."""
    storage = create_trail_storage(account.aws, account.name)
    account.aws.client("sqs").purge_queue(QueueUrl=storage.queue_url)
    return storage


def give_generated(account: Account, spec: dict[str, Any], *arguments: str) -> None:
    """Give the role of a source exactly what is printed for it."""
    policy = account.print_for(spec, "policy", *arguments)
    account.give(spec["roleArn"], policy, account.print_for(spec, "trust", "--issuer", f"https://{ISSUER_HOST}"))


def create_role(account: Account, suffix: str) -> str:
    """Create a role that nobody may assume yet."""
    nobody = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]}
    role = account.aws.client("iam").create_role(
        RoleName=f"{account.name}-{suffix}", AssumeRolePolicyDocument=json.dumps(nobody)
    )
    return str(role["Role"]["Arn"])
