"""Makes the clients for SQS and S3 out of a pipeline's configuration and the environment's credentials."""

import os
import re
from collections.abc import MutableMapping
from typing import Any

import boto3
from botocore.config import Config

from cloudtrail_spec.pipeline import PipelineSpec

# The receive waits 5 s; an answer that takes four times as long does not come.
READ_TIMEOUT_SECONDS = 25
CONNECT_TIMEOUT_SECONDS = 5


def prepare_environment(environment: MutableMapping[str, str], spec: PipelineSpec, source: str) -> None:
    """Set what botocore reads from nowhere else, unless the user has set it.

    STS is asked by the credential chain itself, out of reach of a client's arguments. The instance metadata service is
    off: a pod that silently gets its node's role would read with rights that nobody gave to the source.
    """
    environment.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    environment.setdefault("AWS_RETRY_MODE", "standard")
    environment.setdefault("AWS_MAX_ATTEMPTS", "2")
    environment.setdefault("AWS_DEFAULT_REGION", spec.region)
    if spec.endpoint_url:
        environment.setdefault("AWS_ENDPOINT_URL_STS", spec.endpoint_url)
    if source:
        session_name = re.sub(r"[^A-Za-z0-9_=,.@-]", ".", source)[:64]
        environment.setdefault("AWS_ROLE_SESSION_NAME", session_name)


class AwsClients:
    """One session, a client for each service; clients may be used by many threads."""

    def __init__(self, spec: PipelineSpec, connections: int) -> None:
        session = boto3.Session(region_name=spec.region)
        addressing: Any = {"addressing_style": "path"} if spec.endpoint_url else {}
        common: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "max_pool_connections": connections,
            # One more try at once; everything beyond is our own back-off, which does not multiply with this.
            "retries": {"mode": "standard", "total_max_attempts": 2},
        }
        self.role_arn = os.environ.get("AWS_ROLE_ARN")
        self.sqs = session.client("sqs", endpoint_url=spec.endpoint_url, config=Config(**common))
        self.s3 = session.client("s3", endpoint_url=spec.endpoint_url, config=Config(**common, s3=addressing))
