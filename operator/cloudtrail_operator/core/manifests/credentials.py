"""How a pod gets its AWS credentials, by type: environment, volumes, mounts.

`assumeRole` adds nothing here: the collector assumes that role itself, with what the pod has.
"""

from typing import assert_never

from cloudtrail_operator.core.manifests.parts import PodParts
from cloudtrail_operator.core.names import KEYS_DIRECTORY, TOKEN_DIRECTORY, workload_name
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

TOKEN_VOLUME = "aws-iam-token"  # noqa: S105
TOKEN_SECONDS = 86400  # what EKS's webhook asks for; the kubelet renews it in time

KEYS_VOLUME = "aws-keys"
KEYS_MODE = 0o440  # the kubelet gives the files to the pod's fsGroup
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def build_credential_parts(spec: CloudTrailSourceSpec) -> PodParts:
    """Build the parts for the spec's type of credentials."""
    match spec.credentials_in_force.type:
        case CredentialsType.IRSA:
            return _build_web_identity(spec)
        case CredentialsType.SECRET:
            return _build_static_keys(spec)
        case CredentialsType.POD_IDENTITY:
            return PodParts()  # EKS's agent adds everything to the pods of an associated ServiceAccount
        case other:
            assert_never(other)


def _build_web_identity(spec: CloudTrailSourceSpec) -> PodParts:
    """Do what EKS's webhook does, under the names that it uses: where it runs it then leaves the pod alone."""
    token = {
        "serviceAccountToken": {
            "audience": spec.credentials_in_force.audience,
            "expirationSeconds": TOKEN_SECONDS,
            "path": "token",
        }
    }
    return PodParts(
        env=(
            {"name": "AWS_ROLE_ARN", "value": spec.role_arn},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{TOKEN_DIRECTORY}/token"},
        ),
        volumes=({"name": TOKEN_VOLUME, "projected": {"defaultMode": 420, "sources": [token]}},),
        mounts=({"name": TOKEN_VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": True},),
    )


def _build_static_keys(spec: CloudTrailSourceSpec) -> PodParts:
    """Mount the keys, and nothing else that the Secret may hold. Unlike variables, files follow a rotated Secret.

    It is optional, so that a pod starts without it: its collector says what is missing, and goes on when that comes.
    """
    reference = spec.credentials_in_force.secret_ref
    secret = {
        "secretName": reference.name if reference else "",
        "items": [{"key": key, "path": key} for key in KEYS],
        "optional": True,
        "defaultMode": KEYS_MODE,
    }
    return PodParts(
        env=({"name": "CLOUDTRAIL_CREDENTIALS_DIRECTORY", "value": KEYS_DIRECTORY},),
        volumes=({"name": KEYS_VOLUME, "secret": secret},),
        mounts=({"name": KEYS_VOLUME, "mountPath": KEYS_DIRECTORY, "readOnly": True},),
    )


def advise_on_credentials(source: SourceKey, spec: CloudTrailSourceSpec) -> str | None:
    """Say how a ServiceAccount gets its role by EKS Pod Identity: whether it has one, nothing in the cluster tells."""
    if spec.credentials_in_force.type is not CredentialsType.POD_IDENTITY:
        return None
    account, namespace = workload_name(source.name), source.namespace
    return (
        "with EKS Pod Identity, associate the role: aws eks create-pod-identity-association --cluster-name CLUSTER"
        f" --namespace {namespace} --service-account {account} --role-arn ROLE; then: kubectl rollout restart"
        f" deployment/{account} -n {namespace}"
    )
