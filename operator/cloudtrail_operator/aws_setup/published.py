"""A source → a ConfigMap beside it with its IAM policies and trusts, to be copied before anything works."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cloudtrail_operator.aws_setup.documents import Document, to_json
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy, build_role_policy, list_archives
from cloudtrail_operator.aws_setup.trust import (
    Identity,
    ServiceAccount,
    build_archive_trust,
    build_assumed_trust,
    build_pod_trust,
)
from cloudtrail_operator.core.manifests.metadata import build_metadata, seal
from cloudtrail_operator.core.names import AWS_DOCUMENTS, COMPONENT_LABEL, Manifest, aws_documents_name, workload_name
from cloudtrail_operator.core.source import Source
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

UNKNOWN_ISSUER = "replace-with-your-issuer.invalid"
UNKNOWN_NAME = "replace-with-yours"


@dataclass(frozen=True, slots=True)
class _Pair:
    """The documents of one role, or user, and for whom they are."""

    prefix: str
    subject: str
    policy: Document
    trust: Document | None


def build_documents(source: Source, spec: CloudTrailSourceSpec, identity: Identity) -> Manifest:
    """Build the ConfigMap. What of the pods' identity is not known is a name that says so."""
    pairs = list(_build_pairs(source, spec, _complete(identity, spec)))
    data = {"README": _explain(source, spec, identity, pairs)}
    for pair in pairs:
        data[f"{pair.prefix}policy.json"] = to_json(pair.policy)
        if pair.trust is not None:
            data[f"{pair.prefix}trust.json"] = to_json(pair.trust)
    metadata = build_metadata(source, aws_documents_name(source.key.name))
    metadata["labels"] = metadata["labels"] | {COMPONENT_LABEL: AWS_DOCUMENTS}
    return seal({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _build_pairs(source: Source, spec: CloudTrailSourceSpec, identity: Identity) -> Iterator[_Pair]:
    around = Surroundings()
    is_user = spec.credentials_in_force.type is CredentialsType.SECRET
    role_of_pods = f"the role of the pods{f', {spec.role_arn}' if spec.role_arn else ''}"
    pods = "the user whose keys are in the Secret" if is_user else role_of_pods
    trust = None if is_user else build_pod_trust(spec, ServiceAccount.of_source(source.key), identity)
    yield _Pair("", pods, build_pod_policy(spec, around), trust)
    if spec.assume_role:
        role = spec.assume_role.role_arn
        policy = build_role_policy(spec, role, around)
        yield _Pair("assumed-", f"the role {role}", policy, build_assumed_trust(spec, identity))
    for name, sink in list_archives(spec):
        policy = build_role_policy(spec, sink.role_arn, around)
        yield _Pair(f"sink-{name}-", f"the role {sink.role_arn}", policy, build_archive_trust(spec, name, identity))


def _complete(identity: Identity, spec: CloudTrailSourceSpec) -> Identity:
    """Put placeholders for what is not known. They belong to nobody: a role that trusts them trusts nobody."""
    queue = Arn.parse(spec.queue_arn)
    partition, account = queue.partition, queue.account
    return replace(
        identity,
        issuer=identity.issuer or UNKNOWN_ISSUER,
        cluster=identity.cluster or f"arn:{partition}:eks:{queue.region}:{account}:cluster/{UNKNOWN_NAME}",
        principal=identity.principal or f"arn:{partition}:iam::{account}:role/{UNKNOWN_NAME}",
    )


def _explain(source: Source, spec: CloudTrailSourceSpec, identity: Identity, pairs: list[_Pair]) -> str:
    name, namespace = source.key.name, source.key.namespace
    kind = "role" if pairs[0].trust is not None else "user"
    read = f"kubectl get configmap {aws_documents_name(name)} -n {namespace} -o jsonpath='{{.data.policy\\.json}}'"
    lines = [
        f"The least IAM policies of CloudTrailSource {namespace}/{name}, and who may assume its roles.",
        f"The pods are the ServiceAccount {workload_name(name)}.",
        "",
        *(f"{pair.prefix}policy.json{_name_trust(pair)}: {pair.subject}" for pair in pairs),
        "",
        f"{read} | aws iam put-{kind}-policy --{kind}-name NAME --policy-name collect --policy-document file:///dev/stdin",
        "",
        *_explain_placeholders(spec, identity),
        "KMS keys and the dead-letter queue are not known here: cloudtrail-operator aws policy has options for them.",
        "A CloudTrailBackfill of this source must also be allowed to list: cloudtrail-operator aws policy --also list.",
        "Whether all of it works: cloudtrail-collector doctor.",
    ]
    return "\n".join(lines) + "\n"


def _name_trust(pair: _Pair) -> str:
    return f", {pair.prefix}trust.json" if pair.trust is not None else ""


def _explain_placeholders(spec: CloudTrailSourceSpec, identity: Identity) -> Iterator[str]:
    kind = spec.credentials_in_force.type
    if kind is CredentialsType.IRSA and not identity.issuer:
        yield (
            f"Replace {UNKNOWN_ISSUER} with the cluster's OIDC issuer without https://"
            " (kubectl get --raw /.well-known/openid-configuration); the operator's setting awsDocuments.issuer does it for"
            " all."
        )
    if kind is CredentialsType.POD_IDENTITY and not identity.cluster:
        yield (
            f"Replace cluster/{UNKNOWN_NAME} with the EKS cluster's ARN; the operator's setting awsDocuments.cluster does it"
            " for all."
        )
    if spec.role_arn is None and (spec.assume_role or list_archives(spec)):
        yield f"Replace role/{UNKNOWN_NAME} with the role or user that the pods have."
