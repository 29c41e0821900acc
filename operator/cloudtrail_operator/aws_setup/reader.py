"""Who reads the queue and the bucket → what a template makes for it: a role, or the policy of a user.

A template makes things in one account, the queue's. A reader of another account is not made but let in: by the policies of
queue, bucket and key.
"""

from dataclasses import dataclass, replace

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.documents import Document, Statement, to_document
from cloudtrail_operator.aws_setup.policy import (
    Key,
    Reading,
    Surroundings,
    add_integrity,
    build_assume_statements,
    build_read_statements,
)
from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.trust import (
    Identity,
    ServiceAccount,
    build_chained_trust,
    build_pod_trust,
    find_principal,
    read_cluster,
    read_principal,
)
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType


@dataclass(frozen=True, slots=True)
class Reader:
    """A role to make. Without trust it is only a policy, for the user whose keys are in the source's Secret."""

    policy: Document
    trust: Document | None
    name: str | None
    """Its name, where the source gives it; else AWS makes one."""
    path: str = "/"
    cluster: str | None = None
    """Name of the EKS cluster whose Pod Identity association is made too."""


def find_foreign_reader(spec: CloudTrailSourceSpec, identity: Identity) -> str | None:
    """Name the reader where it is in another account than the queue. Raises SetupError."""
    principal = read_principal(identity.principal) if identity.principal else None
    reader = spec.assume_role.role_arn if spec.assume_role else spec.role_arn or principal
    is_foreign = reader is not None and Arn.parse(reader).account != Arn.parse(spec.queue_arn).account
    return reader if is_foreign else None


def plan_reader(
    spec: CloudTrailSourceSpec, key: SourceKey, identity: Identity, surroundings: Surroundings, own_key: bool
) -> Reader:
    """Decide what to make for a reader in the queue's account. Raises SetupError."""
    policy = to_document(_build_statements(spec, surroundings, own_key))
    if spec.assume_role:
        path, name = _split_role(spec.assume_role.role_arn)
        trust = build_chained_trust(spec, find_principal(spec, identity), spec.assume_role.external_id)
        return Reader(policy, trust, name, path)
    match spec.credentials_in_force.type:
        case CredentialsType.IRSA:
            path, name = _split_role(str(spec.role_arn))
            provider = f"arn:{to.PARTITION}:iam::{to.ACCOUNT}:oidc-provider"
            return Reader(policy, build_pod_trust(spec, ServiceAccount.of_source(key), identity, provider), name, path)
        case CredentialsType.POD_IDENTITY:
            return _plan_pod_identity(spec, key, identity, policy)
        case CredentialsType.SECRET:
            return Reader(policy, None, None)


def _plan_pod_identity(spec: CloudTrailSourceSpec, key: SourceKey, identity: Identity, policy: Document) -> Reader:
    """Plan the role, and its association where the cluster is in the template's region."""
    cluster, queue = read_cluster(identity.cluster), Arn.parse(spec.queue_arn)
    if cluster.account != queue.account:
        where = f"the cluster is in account {cluster.account}, the queue in {queue.account}"
        raise SetupError([f"--principal: is needed: {where}, and the role of an association is in the cluster's"])
    name = cluster.resource.removeprefix("cluster/") if cluster.region == queue.region else None
    return Reader(policy, build_pod_trust(spec, ServiceAccount.of_source(key), identity), None, cluster=name)


def _build_statements(spec: CloudTrailSourceSpec, surroundings: Surroundings, own_key: bool) -> list[Statement]:
    around = replace(add_integrity(spec, surroundings), dead_letter_queue=to.DEAD_LETTER_ARN)
    if own_key:
        key = Key(to.KEY_ARN, to.REGION, to.DNS_SUFFIX)
        around = replace(around, queue_key=key, log_keys=(key, *surroundings.log_keys))
    others = (f"arn:{to.PARTITION}:s3:::{bucket}" for bucket in spec.extra_buckets)
    statements = build_read_statements(Reading(to.QUEUE_ARN, (to.BUCKET_ARN, *others), spec.prefix, around))
    return statements if spec.assume_role else [*statements, *build_assume_statements(spec)]


def _split_role(role_arn: str) -> tuple[str, str]:
    """Split a role's ARN into path and name."""
    path, _, name = Arn.parse(role_arn).resource.removeprefix("role").rpartition("/")
    return f"{path}/", name
