"""Finds the credentials that a collector signs with, and keeps them fresh.

The base is, in this order: the folder of a mounted Secret, else whatever AWS's own chain finds in the environment (IRSA's
token, EKS Pod Identity, variables, profiles). `assumeRole` then assumes one more role with it (role chaining).

Nothing is asked for before a request needs it, so that a collector starts, and reports, whatever is wrong. What is
temporary is renewed by the thread that finds it near its end; botocore lets the others go on with the old as long as that
is valid. Nothing is kept beyond what botocore keeps.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from cloudtrail_collector.adapters.aws_errors import translate_credentials_error
from cloudtrail_collector.adapters.key_files import KeyFiles
from cloudtrail_spec.pipeline import AssumedRole

DIRECTORY_VARIABLE = "CLOUDTRAIL_CREDENTIALS_DIRECTORY"

# What botocore's providers let out: an answer without an expected field, a token file that is not there, keys that had
# expired when they came.
_ERRORS = (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, KeyError)


class CredentialSource(Protocol):
    """Where requests get the keys that they are signed with."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return valid keys, renewed where needed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is asked for credentials, as an error names it."""

    action: str
    resource: str


def find_credentials(
    core: botocore.session.Session,
    role: AssumedRole | None,
    environment: Mapping[str, str],
    *,
    sts_endpoint: str | None = None,
) -> "LateCredentials":
    """Build the credentials, a role's if one is to be assumed, for all clients of the session. Asks nobody yet.

    The role is asked of `sts_endpoint`; None leaves that to the environment.
    """
    base = _build_base(core, environment)
    create = partial(core.create_client, endpoint_url=sts_endpoint)
    found = base if role is None else _build_assumed(create, base, role, environment)
    core.register_component("credential_provider", _OnlyProvider(found))
    return found


def _build_base(core: botocore.session.Session, environment: Mapping[str, str]) -> "LateCredentials":
    directory = environment.get(DIRECTORY_VARIABLE)
    if directory:
        files = KeyFiles(Path(directory))
        return LateCredentials(lambda: files, Origin("readCredentials", directory))
    chain = core.get_component("credential_provider")
    return LateCredentials(chain.load_credentials, _describe_origin(environment))


def _describe_origin(environment: Mapping[str, str]) -> Origin:
    """Name whom AWS's chain will ask."""
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return Origin("sts:AssumeRoleWithWebIdentity", environment.get("AWS_ROLE_ARN", "AWS_ROLE_ARN"))
    agent = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    return Origin("eks-auth:AssumeRoleForPodIdentity", agent) if agent else Origin("findCredentials", "environment")


def _build_assumed(
    create_client: Callable[..., Any], base: "LateCredentials", role: AssumedRole, environment: Mapping[str, str]
) -> "LateCredentials":
    arguments = {
        "RoleSessionName": environment.get("AWS_ROLE_SESSION_NAME"),
        "ExternalId": role.external_id,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    # It reads nothing of the base but its frozen credentials.
    source: Any = base
    fetcher = AssumeRoleCredentialFetcher(create_client, source, role.role_arn, extra_args=given)
    renewed = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return LateCredentials(lambda: renewed, Origin("sts:AssumeRole", role.role_arn))


class LateCredentials:
    """Credentials that are looked for when the first request needs them, and again until they are found.

    botocore's clients take it for one of its own credentials: they use nothing but these methods.
    """

    method = "cloudtrail-collector"

    def __init__(self, load: Callable[[], CredentialSource | None], origin: Origin) -> None:
        self._load = load
        self._origin = origin
        self._lock = threading.Lock()
        self._found: CredentialSource | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return valid keys. Raises AwsError that names the origin."""
        try:
            return (self._found or self._find()).get_frozen_credentials()
        except _ERRORS as error:
            raise translate_credentials_error(error, self._origin.action, self._origin.resource) from error

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        """Return a function that reads one of the keys' properties, for botocore's endpoint rules."""
        return lambda: getattr(self.get_frozen_credentials(), property_name, None)

    def _find(self) -> CredentialSource:
        with self._lock:
            if self._found is None:
                self._found = self._load()
            if self._found is None:
                raise NoCredentialsError
            return self._found


class _OnlyProvider:
    """botocore's provider chain, reduced to what was found."""

    def __init__(self, credentials: LateCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> LateCredentials:
        return self._credentials
