"""How a pod gets its AWS credentials, by type: environment, volumes, mounts."""

from dataclasses import dataclass
from typing import assert_never

from cloudtrail_operator.core.names import TOKEN_DIRECTORY, Manifest
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

TOKEN_VOLUME = "aws-iam-token"  # noqa: S105
TOKEN_SECONDS = 86400  # what EKS's webhook asks for; the kubelet renews it in time

REQUIRED_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONAL_KEYS = ("AWS_SESSION_TOKEN",)


@dataclass(frozen=True, slots=True)
class CredentialParts:
    """What credentials add to a pod."""

    env: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()


def build_credential_parts(spec: CloudTrailSourceSpec) -> CredentialParts:
    """Build the parts for the spec's type of credentials."""
    match spec.credentials_in_force.type:
        case CredentialsType.IRSA:
            return _build_web_identity(spec)
        case CredentialsType.SECRET:
            return CredentialParts(env=_build_static_keys(spec))
        case CredentialsType.POD_IDENTITY:
            return CredentialParts()  # EKS's agent adds everything to the pods of an associated ServiceAccount
        case other:
            assert_never(other)


def _build_web_identity(spec: CloudTrailSourceSpec) -> CredentialParts:
    """Do what EKS's webhook does, under the names that it uses: where it runs it then leaves the pod alone."""
    token = {
        "serviceAccountToken": {
            "audience": spec.credentials_in_force.audience,
            "expirationSeconds": TOKEN_SECONDS,
            "path": "token",
        }
    }
    return CredentialParts(
        env=(
            {"name": "AWS_ROLE_ARN", "value": spec.role_arn},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{TOKEN_DIRECTORY}/token"},
        ),
        volumes=({"name": TOKEN_VOLUME, "projected": {"defaultMode": 420, "sources": [token]}},),
        mounts=({"name": TOKEN_VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": True},),
    )


def _build_static_keys(spec: CloudTrailSourceSpec) -> tuple[Manifest, ...]:
    reference = spec.credentials_in_force.secret_ref
    secret = reference.name if reference else ""
    required = [_build_key(secret, name, {}) for name in REQUIRED_KEYS]
    return (*required, *(_build_key(secret, name, {"optional": True}) for name in OPTIONAL_KEYS))


def _build_key(secret: str, name: str, extra: Manifest) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name} | extra}}
