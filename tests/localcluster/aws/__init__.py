"""Stand-ins for AWS on loopback: moto where correctness is judged, ministack where load or IAM enforcement matters."""

from localcluster.aws.endpoint import AwsEndpoint
from localcluster.aws.servers import AwsKind, running_aws

__all__ = ["AwsEndpoint", "AwsKind", "running_aws"]
