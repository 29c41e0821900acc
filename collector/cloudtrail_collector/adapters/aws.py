"""Makes the clients for SQS and S3, and what both sign with, out of a pipeline's configuration and the environment.

Where a service is reached, the first that is set: `endpoints.<service>` of the configuration, its `endpointUrl`, the
environment's `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, and AWS's public endpoint of region and partition
(`AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` choose among these).
"""

import os
import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

import boto3
import botocore.session
from botocore.config import Config

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.credentials import find_credentials
from cloudtrail_spec.pipeline import AssumedRole, Endpoints, PipelineSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Service = Literal["sqs", "s3", "sts", "cloudtrail"]

# The receive waits 5 s; an answer that takes four times as long does not come.
READ_TIMEOUT_SECONDS = 25
CONNECT_TIMEOUT_SECONDS = 5


class AwsSettings(Protocol):
    """Where AWS is, and as whom it is asked: the part of a PipelineSpec that clients need, or what a command was told."""

    @property
    def region(self) -> str:
        """The region of the queue."""

    @property
    def endpoint_url(self) -> str | None:
        """Base URL for all services."""

    @property
    def endpoints(self) -> Endpoints | None:
        """Base URLs of single services."""

    @property
    def assume_role(self) -> AssumedRole | None:
        """A role to assume with the credentials that are found."""


def prepare_environment(environment: MutableMapping[str, str], spec: PipelineSpec, source: str) -> None:
    """Set what the libraries read from nowhere else, unless the user has set it.

    STS is asked by the credential chain itself, out of reach of a client's arguments. The instance metadata service is
    off: a pod that silently gets its node's role would read with rights that nobody gave to the source.
    """
    environment.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    environment.setdefault("AWS_DEFAULT_REGION", spec.region)
    # obstore's threads only move bytes, and one does that at the least cost; it would take one for each core of the node.
    environment.setdefault("TOKIO_WORKER_THREADS", "1")
    if endpoint := choose_endpoint(spec, "sts"):
        environment["AWS_ENDPOINT_URL_STS"] = endpoint
    if source:
        session_name = re.sub(r"[^A-Za-z0-9_=,.@-]", ".", source)[:64]
        environment.setdefault("AWS_ROLE_SESSION_NAME", session_name)


def choose_endpoint(spec: AwsSettings, service: Service) -> str | None:
    """Return the base URL that the configuration names for a service; None leaves it to environment and partition."""
    return (spec.endpoints and getattr(spec.endpoints, service)) or spec.endpoint_url


class AwsClients:
    """One session, a client for each service; clients may be used by many threads."""

    def __init__(self, spec: AwsSettings, connections: int, *, s3_attempts: int = 1) -> None:
        core = botocore.session.Session()
        core.set_config_variable("region", spec.region)
        core.set_default_client_config(_build_config(connections))
        self.credentials = find_credentials(core, spec.assume_role, os.environ)
        # The role that requests are made with, where the pod can know it: by Pod Identity or keys it cannot.
        self.role_arn = spec.assume_role.role_arn if spec.assume_role else os.environ.get("AWS_ROLE_ARN")
        self.ca_bundle: str | None = core.get_config_variable("ca_bundle")
        self.session = session = boto3.Session(botocore_session=core)
        self._s3_endpoint = choose_endpoint(spec, "s3")
        self.sqs = session.client("sqs", endpoint_url=choose_endpoint(spec, "sqs"))
        # A collector asks it once: the fast read before it was the first try.
        self.s3 = self.build_s3(s3_attempts)

    def build_s3(self, attempts: int) -> "S3Client":
        """Build a client for S3 that makes so many attempts, and waits between them.

        Path style everywhere: one form of URL for both ways to read, and TLS names fit buckets with dots.
        """
        config = Config(
            s3={"addressing_style": "path"},
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return self.session.client("s3", endpoint_url=self._s3_endpoint, config=config)


def _build_config(connections: int) -> Config:
    """Build what holds for every client, those of the credential chain included."""
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=connections,
        # One more try at once; everything beyond is our own back-off, which does not multiply with this.
        retries=retries,
        user_agent_extra=f"cloudtrail-collector/{__version__}",
    )
