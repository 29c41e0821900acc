"""An S3 bucket as the ObjectStore port."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_spec.arn import Arn, build_bucket_arn
from cloudtrail_spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Bucket:
    """The bucket of a pipeline. Reading is all that it can do."""

    def __init__(self, client: "S3Client", spec: PipelineSpec, role_arn: str | None) -> None:
        self._client = client
        self._bucket = spec.bucket
        self._partition = Arn.parse(spec.queue_arn).partition
        self._role_arn = role_arn

    def fetch(self, key: str) -> bytes:
        """Read the newest version of an object (a named one would need s3:GetObjectVersion)."""
        try:
            with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                return body.read()
        except (BotoCoreError, ClientError, OSError) as error:
            resource = build_bucket_arn(self._partition, self._bucket, key)
            raise translate(error, action="s3:GetObject", resource=resource, role_arn=self._role_arn) from error
