"""A source, or a backfill, and who its pods are in AWS → the trust policy of each role that it names.

Exactly one ServiceAccount, with exactly one audience, may become the role; no condition has a wildcard.
"""

import re
from dataclasses import dataclass
from typing import Self

from cloudtrail_operator.aws_setup.documents import Condition, Document, allow_principal, to_document
from cloudtrail_operator.aws_setup.policy import list_archives, list_assume_actions
from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.core.names import backfill_name, workload_name
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.arn import PARTITION_PATTERN, Arn
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

POD_IDENTITY_PRINCIPAL = "pods.eks.amazonaws.com"

_ISSUER = re.compile(r"(?:https://)?([a-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?)/?")
_CLUSTER = re.compile(rf"arn:({PARTITION_PATTERN}):eks:[a-z0-9-]+:[0-9]{{12}}:cluster/[A-Za-z0-9][A-Za-z0-9_-]{{0,99}}")
_PRINCIPAL = re.compile(rf"arn:({PARTITION_PATTERN}):iam::[0-9]{{12}}:(role|user)/[A-Za-z0-9_+=,.@/-]{{1,512}}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the collector pods are, as far as no source says."""

    issuer: str | None = None
    """The cluster's OIDC issuer, for IRSA: host and path, with or without https://."""
    cluster: str | None = None
    """ARN of the EKS cluster, for Pod Identity."""
    principal: str | None = None
    """ARN of the role or user that the pods have, for role chaining without IRSA."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The ServiceAccount that pods run as."""

    namespace: str
    name: str

    @classmethod
    def of_source(cls, key: SourceKey) -> Self:
        """Name that of a source's collectors."""
        return cls(key.namespace, workload_name(key.name))

    @classmethod
    def of_backfill(cls, namespace: str, name: str) -> Self:
        """Name that of a backfill with settings of its own."""
        return cls(namespace, backfill_name(name))


def build_pod_trust(
    spec: CloudTrailSourceSpec, pods: ServiceAccount, identity: Identity, provider: str = ""
) -> Document:
    """Build the trust policy of the role that the pods have. Raises SetupError.

    `provider` is the ARN of the OIDC provider up to its host, where the account is not known; a role can only trust a
    provider of its own account.
    """
    match spec.credentials_in_force.type:
        case CredentialsType.IRSA:
            role = Arn.parse(str(spec.role_arn))
            base = provider or f"arn:{role.partition}:iam::{role.account}:oidc-provider"
            return _trust_web_identity(spec, pods, base, read_issuer(identity.issuer))
        case CredentialsType.POD_IDENTITY:
            return _trust_pod_identity(pods, read_cluster(identity.cluster))
        case _:
            advice = "`aws policy` prints what that user may do"
            raise SetupError([f"spec.credentials: with type Secret the pods are a user, whom no role trusts; {advice}"])


def build_assumed_trust(spec: CloudTrailSourceSpec, identity: Identity) -> Document:
    """Build the trust policy of the role in spec.assumeRole. Raises SetupError."""
    if spec.assume_role is None:
        raise SetupError(["spec.assumeRole: is not set, so no role is assumed"])
    return build_chained_trust(spec, find_principal(spec, identity), spec.assume_role.external_id)


def build_archive_trust(spec: CloudTrailSourceSpec, sink: str, identity: Identity) -> Document:
    """Build the trust policy of an s3 sink's role. Raises SetupError."""
    return build_chained_trust(spec, find_principal(spec, identity), dict(list_archives(spec))[sink].external_id)


def build_chained_trust(spec: CloudTrailSourceSpec, principal: str, external_id: str | None) -> Document:
    """Build the trust policy of a role that is assumed with the credentials of the pods."""
    condition: Condition | None = {"StringEquals": {"sts:ExternalId": external_id}} if external_id else None
    return to_document(
        [allow_principal("CollectorPods", {"AWS": principal}, list_assume_actions(spec), None, condition)]
    )


def find_principal(spec: CloudTrailSourceSpec, identity: Identity) -> str:
    """Say whom the pods are when they assume another role. Raises SetupError."""
    principal = spec.role_arn or identity.principal
    if principal is None:
        kind = spec.credentials_in_force.type.value
        raise SetupError(
            [f"--principal: is needed with credentials of type {kind}: the role or user that the pods have"]
        )
    return read_principal(principal)


def read_principal(text: str) -> str:
    """Check the ARN of a role or user. Raises SetupError."""
    if not _PRINCIPAL.fullmatch(text):
        raise SetupError([f"--principal: {text!r} is not the ARN of a role or user"])
    return text


def read_issuer(text: str | None) -> str:
    """Take the scheme off an issuer: IAM names providers without it. Raises SetupError."""
    if not text:
        raise SetupError(
            ["--issuer: is needed for IRSA: `kubectl get --raw /.well-known/openid-configuration` shows the issuer"]
        )
    match = _ISSUER.fullmatch(text)
    if not match or "." not in match[1]:
        raise SetupError([f"--issuer: {text!r} is not an issuer such as https://oidc.example.com/id/ABC"])
    return match[1]


def read_cluster(text: str | None) -> Arn:
    """Read a cluster's ARN. Raises SetupError."""
    if not text:
        raise SetupError(["--cluster: is needed for EKS Pod Identity: the ARN of the cluster"])
    if not _CLUSTER.fullmatch(text):
        raise SetupError([f"--cluster: {text!r} is not the ARN of an EKS cluster"])
    return Arn.parse(text)


def _trust_web_identity(spec: CloudTrailSourceSpec, pods: ServiceAccount, base: str, issuer: str) -> Document:
    wanted = {
        f"{issuer}:aud": spec.credentials_in_force.audience,
        f"{issuer}:sub": f"system:serviceaccount:{pods.namespace}:{pods.name}",
    }
    principal = {"Federated": f"{base}/{issuer}"}
    action = ["sts:AssumeRoleWithWebIdentity"]
    return to_document([allow_principal("CollectorPods", principal, action, None, {"StringEquals": wanted})])


def _trust_pod_identity(pods: ServiceAccount, cluster: Arn) -> Document:
    condition: Condition = {
        "StringEquals": {
            "aws:SourceAccount": cluster.account,
            "aws:RequestTag/kubernetes-namespace": pods.namespace,
            "aws:RequestTag/kubernetes-service-account": pods.name,
        },
        "ArnEquals": {
            "aws:SourceArn": f"arn:{cluster.partition}:eks:{cluster.region}:{cluster.account}:{cluster.resource}"
        },
    }
    actions = ["sts:AssumeRole", "sts:TagSession"]
    return to_document(
        [allow_principal("CollectorPods", {"Service": POD_IDENTITY_PRINCIPAL}, actions, None, condition)]
    )
