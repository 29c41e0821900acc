"""Lists a bucket: the folders below a prefix, and the keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.core.backfill.units import KeyPage, ListedKey
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


class BucketListings:
    """The buckets of a backfill, a request at a time. Every method raises AwsError. Used by one thread."""

    def __init__(self, client: "S3Client", partition: str, note_request: Callable[[], None]) -> None:
        """`note_request` is called for each request: they cost money."""
        self._client: Any = client
        self._partition = partition
        self._note_request = note_request
        self._ahead: timedelta | None = None

    def list_folder(self, bucket: str, prefix: str) -> Folder:
        """List what lies directly below a prefix. The object that some tools put in a folder's place counts as none."""
        folders: list[str] = []
        has_objects = False
        more: dict[str, str] = {}
        while True:
            answer = self._ask(bucket, Prefix=prefix, Delimiter="/", **more)
            folders += [entry["Prefix"] for entry in answer.get("CommonPrefixes", ())]
            has_objects = has_objects or any(entry["Key"] != prefix for entry in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return Folder(tuple(folders), has_objects)
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def list_page(self, bucket: str, prefix: str, after: str) -> KeyPage:
        """List the keys with a prefix that sort behind `after`, up to a thousand of them."""
        answer = self._ask(bucket, Prefix=prefix, **({"StartAfter": after} if after else {}))
        keys = [ListedKey(entry["Key"], entry["LastModified"]) for entry in answer.get("Contents", ())]
        return KeyPage(keys, is_last=not answer.get("IsTruncated"))

    def read_clock(self, bucket: str, prefix: str) -> datetime:
        """Tell S3's time, by which objects are dated: ours may differ by minutes. `prefix` is one that may be listed."""
        if self._ahead is None:
            self._ask(bucket, Prefix=prefix, MaxKeys=1)
        return datetime.now(UTC) + (self._ahead or timedelta(0))

    def _ask(self, bucket: str, **arguments: object) -> Any:
        self._note_request()
        try:
            answer = self._client.list_objects_v2(Bucket=bucket, **arguments)
        except (BotoCoreError, ClientError) as error:
            resource = build_bucket_arn(self._partition, bucket)
            raise translate(error, action="s3:ListBucket", resource=resource) from error
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        self._ahead = parsedate_to_datetime(said) - datetime.now(UTC) if said else timedelta(0)
        return answer
