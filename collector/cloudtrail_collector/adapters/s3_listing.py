"""Lists a bucket: the folders below a prefix, and the keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_spec.arn import build_bucket_arn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BucketListing:
    """One bucket. Every method raises AwsError."""

    def __init__(self, client: "S3Client", partition: str, bucket: str) -> None:
        self._pages: Any = client.get_paginator("list_objects_v2")
        self._bucket = bucket
        self._resource = build_bucket_arn(partition, bucket)

    def list_folder(self, prefix: str) -> Folder:
        """List what lies directly below a prefix. The object that some tools put in a folder's place counts as none."""
        folders: list[str] = []
        has_objects = False
        for page in self._iterate_pages(Prefix=prefix, Delimiter="/"):
            folders += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            has_objects = has_objects or any(entry["Key"] != prefix for entry in page.get("Contents", ()))
        return Folder(tuple(folders), has_objects)

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        """List the keys with a prefix, a page at a time."""
        for page in self._iterate_pages(Prefix=prefix):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _iterate_pages(self, **arguments: str) -> Iterator[Any]:
        try:
            yield from self._pages.paginate(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise translate(error, action="s3:ListBucket", resource=self._resource) from error
