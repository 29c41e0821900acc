"""Where a stand-in for AWS listens, and clients with all rights on it."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

ADMIN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """A running stand-in: base URL, the region and account that it plays, and its log."""

    url: str
    region: str
    account_id: str
    enforces_iam: bool

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Make a boto3 client of the account's root user."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # the stubs want a literal
            endpoint_url=self.url,
            region_name=region or self.region,
            aws_access_key_id=ADMIN_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ADMIN_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 3}),
        )
