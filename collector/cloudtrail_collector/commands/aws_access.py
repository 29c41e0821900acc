"""Turns `--region`, `--profile`, `--endpoint-url` and the environment into AWS clients, as every AWS SDK would."""

import os
import re
from argparse import Namespace
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_spec.arn import QUEUE_ARN_PATTERN, Arn
from cloudtrail_spec.pipeline import AssumedRole, Endpoints

# Most buckets answer from anywhere, and say where they are when they do not.
BUCKET_REGION = "us-east-1"
CONNECTIONS = 20
ATTEMPTS = 3
# Messages that are read stay invisible so long, and are extended before it ends.
VISIBILITY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Access:
    """Where AWS is, and the queue if there is one."""

    region: str
    endpoint_url: str | None = None
    endpoints: Endpoints | None = None
    assume_role: AssumedRole | None = None
    queue_arn: str = ""
    visibility_timeout_seconds: int | None = VISIBILITY_SECONDS

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return botocore.session.get_session().get_partition_for_region(self.region)


def find_region(options: Namespace) -> str | None:
    """Find the region: as named, else from the environment, else from the profile."""
    if options.profile:
        os.environ["AWS_PROFILE"] = options.profile
    named = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if named:
        return str(named)
    try:
        found: str | None = botocore.session.get_session().get_config_variable("region")
    except BotoCoreError as error:
        raise ConfigurationError([str(error)]) from error
    return found


def build_clients(access: Access) -> AwsClients:
    """Build clients; nobody is asked yet. Raises ConfigurationError."""
    # The credential chain builds clients of its own, for STS and SSO.
    os.environ.setdefault("AWS_DEFAULT_REGION", access.region)
    try:
        return AwsClients(access, connections=CONNECTIONS, s3_attempts=ATTEMPTS)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError([str(error)]) from error


def reach_bucket(options: Namespace) -> Access:
    """Say how a bucket is reached."""
    return Access(find_region(options) or BUCKET_REGION, options.endpoint_url)


def reach_queue(queue: str, options: Namespace) -> Access:
    """Say how a queue is reached, by its ARN, URL or name; SQS is asked for the account of one that has but a name.

    Raises ConfigurationError, and AwsError when SQS does not know the name.
    """
    region = find_region(options)
    if queue.startswith("arn:"):
        if not re.match(QUEUE_ARN_PATTERN, queue):
            raise ConfigurationError([f"{queue}: not the ARN of a queue (arn:partition:sqs:region:account:name)"])
        return Access(Arn.parse(queue).region, options.endpoint_url, queue_arn=queue)
    if "/" in queue:
        return _read_url(queue, region, options.endpoint_url)
    if not re.fullmatch("[A-Za-z0-9_-]{1,80}", queue):
        what = f"{queue}: not the name of a queue; FIFO queues get no notifications of S3"
        raise ConfigurationError([what if queue else "sqs://: name a queue: its name, URL or ARN"])
    access = Access(_need_region(region), options.endpoint_url)
    return _with_queue(access, _ask_url(access, queue))


def _read_url(url: str, region: str | None, endpoint_url: str | None) -> Access:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    named = re.search(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.", parts.netloc)
    access = Access(named[1] if named else _need_region(region), endpoint_url or f"{parts.scheme}://{parts.netloc}")
    return _with_queue(access, url)


def _ask_url(access: Access, name: str) -> str:
    clients = build_clients(access)
    resource = f"arn:{access.partition}:sqs:{access.region}::{name}"
    try:
        return str(clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except (BotoCoreError, ClientError) as error:
        raise translate(error, action="sqs:GetQueueUrl", resource=resource) from error


def _with_queue(access: Access, url: str) -> Access:
    """Complete it with the ARN that a queue's URL stands for: the path is /account/name."""
    path = re.search(r"/([0-9]{12})/([A-Za-z0-9_-]{1,80})/?\Z", url)
    if path is None:
        raise ConfigurationError([f"{url}: not the URL of a standard queue (https://…/account/name)"])
    return replace(access, queue_arn=f"arn:{access.partition}:sqs:{access.region}:{path[1]}:{path[2]}")


def _need_region(region: str | None) -> str:
    if region is None:
        raise ConfigurationError(["the queue's region is not known: name it with --region or AWS_REGION"])
    return region
