"""Amazon Resource Names: parsed into parts, and what the partition in them implies.

Source: AWS General Reference, "Amazon Resource Names (ARNs)"; DNS suffixes as in botocore's partitions.json.
"""

from dataclasses import dataclass

DNS_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-us-gov": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}

PARTITION_PATTERN = "|".join(DNS_SUFFIXES)
QUEUE_ARN_PATTERN = rf"^arn:({PARTITION_PATTERN}):sqs:[a-z0-9-]+:[0-9]{{12}}:[A-Za-z0-9_-]{{1,80}}$"
ROLE_ARN_PATTERN = rf"^arn:({PARTITION_PATTERN}):iam::[0-9]{{12}}:role/[A-Za-z0-9_+=,.@/-]{{1,512}}$"

# Where a region's name begins so, its partition is this; every other region is of the first partition.
_REGION_PREFIXES = {
    "us-gov-": "aws-us-gov",
    "cn-": "aws-cn",
    "eusc-": "aws-eusc",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "us-iso-": "aws-iso",
    "eu-isoe-": "aws-iso-e",
}


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an ARN; `region` and `account` are empty for global resources."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Split an ARN. Raises ValueError when it does not have six parts or begins otherwise."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            raise ValueError(f"{text!r} is not an ARN (arn:partition:service:region:account:resource)")
        return cls(*parts[1:])


def find_partition(region: str) -> str:
    """Tell the partition of a region by its name."""
    return next((part for prefix, part in _REGION_PREFIXES.items() if region.startswith(prefix)), "aws")


def build_queue_url(queue_arn: str, endpoint: str | None = None) -> str:
    """Derive the URL of a queue from its ARN, so that `sqs:GetQueueUrl` is not needed. Raises ValueError.

    Owner and name are what counts in it; the host is the partition's, or that of an endpoint of one's own.
    """
    arn = Arn.parse(queue_arn)
    base = f"https://sqs.{arn.region}.{DNS_SUFFIXES[arn.partition]}" if endpoint is None else endpoint.rstrip("/")
    return f"{base}/{arn.account}/{arn.resource}"


def build_bucket_arn(partition: str, bucket: str, key: str | None = None) -> str:
    """Build the ARN of a bucket, or of an object in it, for error messages and policies."""
    return f"arn:{partition}:s3:::{bucket}" + ("" if key is None else f"/{key}")
