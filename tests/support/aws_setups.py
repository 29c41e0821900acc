"""Typical ways to set up AWS for a source: what the source says, and the arguments of the command."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.sources import BUCKET, QUEUE_ARN, ROLE_ARN, Manifest, build_source

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/prod"
READER = f"arn:aws:iam::{ACCOUNT}:role/readers/trail-reader"
ARCHIVE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/archive-writer"
ORGANIZATION = "o-exampleorg1"
IRSA = ("--issuer", f"https://{ISSUER}")
SECRET = {"roleArn": None, "credentials": {"type": "Secret", "secretRef": {"name": "aws-keys"}}}
POD_IDENTITY = {"roleArn": None, "credentials": {"type": "PodIdentity"}}
STDOUT = {"name": "out", "stdout": {}}
ARCHIVE = {
    "name": "archive",
    "s3": {"bucket": "acme-events", "region": "us-east-1", "roleArn": ARCHIVE_ROLE, "kmsKeyId": "alias/archive"},
}


@dataclass(frozen=True, slots=True)
class AwsSetup:
    """One setup: changes of the spec, and arguments of `aws cloudformation` or `aws terraform`."""

    arguments: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)

    def write_source(self, folder: Path) -> str:
        """Write its source's manifest; returns the path."""
        return write_source(folder, **self.changes)


def write_source(folder: Path, *, namespace: str | None = "security", **changes: Any) -> str:
    """Write the manifest of a source; returns the path."""
    manifest: Manifest = build_source(namespace="security", **changes)
    manifest["metadata"] = {"name": "org-trail"} | ({"namespace": namespace} if namespace else {})
    path = folder / "source.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return str(path)


def move_to(partition: str, region: str) -> dict[str, Any]:
    """Change a source to one in another partition."""
    return {
        "region": region,
        "queueArn": QUEUE_ARN.replace("arn:aws:", f"arn:{partition}:").replace("us-east-1", region),
        "roleArn": ROLE_ARN.replace("arn:aws:", f"arn:{partition}:"),
    }


# Every value of every choice, and every pair that meets in one policy.
SETUPS = {
    "trail": AwsSetup(("--trail", "org-trail", *IRSA)),
    "organization-sns-kms": AwsSetup(
        ("--trail", "org-trail", "--organization", ORGANIZATION, "--wiring", "SNS", "--kms", "--also", "verify", *IRSA),
        {"prefix": "audit", "sinks": [STDOUT, ARCHIVE]},
    ),
    "eventbridge-kms-pod-identity": AwsSetup(
        ("--trail", "org-trail", "--wiring", "EventBridge", "--kms", "--cluster", CLUSTER), POD_IDENTITY
    ),
    "existing-bucket": AwsSetup(("--existing-bucket", "--mode", "Test", *IRSA), {"extraBuckets": ["acme-old-trail"]}),
    "existing-bucket-sns": AwsSetup(
        ("--existing-bucket", "--bucket-account", OTHER_ACCOUNT, "--wiring", "SNS"), SECRET
    ),
    "existing-bucket-eventbridge": AwsSetup(("--existing-bucket", "--wiring", "EventBridge", "--kms", *IRSA)),
    "existing-trails-kms": AwsSetup(
        (
            *("--trail-arn", f"arn:aws:cloudtrail:eu-west-1:{OTHER_ACCOUNT}:trail/org"),
            *("--trail-arn", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/own", "--kms", *IRSA),
        ),
        {"prefix": "AWSLogs/111122223333/CloudTrail/us-"},
    ),
    "assumed-role": AwsSetup(
        ("--trail", "org-trail", "--wiring", "SNS"), {"assumeRole": {"roleArn": READER, "externalId": "acme"}}
    ),
    "foreign-reader-kms": AwsSetup(
        ("--trail", "org-trail", "--kms", *IRSA), {"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/cloudtrail-collector"}
    ),
}

__all__ = ["ACCOUNT", "BUCKET", "QUEUE_ARN", "ROLE_ARN", "SETUPS", "AwsSetup", "move_to", "write_source"]
