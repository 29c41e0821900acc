"""Reads what a verification needs, out of a bucket or a folder, under the names that the objects had when they were signed.

A copy is told what it is a copy of: its keys are then named as they were there, and read where they are here.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.adapters.s3_listing import BucketListing
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.errors import AwsError, EvidenceMissingError, EvidenceUnreadableError
from cloudtrail_collector.ports import Consume
from cloudtrail_spec.arn import build_bucket_arn
from cloudtrail_spec.conditions import Reason

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE_BYTES = 256 * 1024
# boto3 repeats requests; a body that breaks off is begun anew here.
ATTEMPTS = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Relocation:
    """Where objects were when they were signed (`origin`), and the prefix that they have here instead.

    `origin_bucket` None: nobody knows, and any will do.
    """

    origin_bucket: str | None
    origin_prefix: str
    prefix: str

    def find_key(self, bucket: str | None, key: str) -> str:
        """Find the key that an object has here. Raises EvidenceUnreadableError when it is none of the copied ones."""
        if self.origin_bucket not in (None, bucket) or not key.startswith(self.origin_prefix):
            raise EvidenceUnreadableError(f"s3://{bucket}/{key} is not part of the copy")
        return self.prefix + key[len(self.origin_prefix) :]

    def name_origin(self, key: str) -> str:
        """Name the key that an object had."""
        return self.origin_prefix + key[len(self.prefix) :]


class BucketEvidence:
    """A bucket, or with a relocation a copy of one."""

    def __init__(self, client: "S3Client", partition: str, bucket: str, relocation: Relocation | None = None) -> None:
        self._client = client
        self._partition = partition
        self._bucket = bucket
        self._relocation = relocation or Relocation(bucket, "", "")
        self._is_copy = relocation is not None
        self._listing = BucketListing(client, partition, bucket)

    def list_folder(self, prefix: str) -> Folder:
        """List what lies directly below a prefix. Raises AwsError."""
        found = self._listing.list_folder(self._find_prefix(prefix))
        return Folder(tuple(self._relocation.name_origin(folder) for folder in found.folders), found.has_objects)

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        """List the keys with a prefix, in order. Raises AwsError."""
        for key in self._listing.iterate_keys(self._find_prefix(prefix)):
            yield self._relocation.name_origin(key)

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        """Read an object; a log file may be in another bucket than the one that is listed."""
        place = (self._bucket, self._relocation.find_key(bucket, key)) if self._is_copy else (bucket, key)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read(*place, consume)
            except AwsError as error:
                if error.reason is Reason.OBJECT_NOT_FOUND or self._is_absent(*place, error):
                    raise EvidenceMissingError(str(error)) from error
                if error.reason is not Reason.ENDPOINT_UNREACHABLE or attempt == ATTEMPTS:
                    raise EvidenceUnreadableError(str(error)) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def describe(self, key: str) -> str:
        """Say where an object is."""
        try:
            return f"s3://{self._bucket}/{self._find_prefix(key)}"
        except EvidenceUnreadableError:
            return f"s3://{self._relocation.origin_bucket}/{key}"

    def _find_prefix(self, prefix: str) -> str:
        return self._relocation.find_key(self._relocation.origin_bucket, prefix)

    def _is_absent(self, bucket: str, key: str, error: AwsError) -> bool:
        """Tell whether access was denied to what is not there: S3 says so where a right to list has a condition."""
        if error.reason is not Reason.ACCESS_DENIED or bucket != self._bucket:
            return False
        try:
            return next(self._listing.iterate_keys(key), None) != key
        except AwsError:
            return False

    def _read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body:
                return consume(body.iter_chunks(PIECE_BYTES), answer.get("Metadata", {}))
        except (BotoCoreError, ClientError, HTTPError, OSError) as error:
            resource = build_bucket_arn(self._partition, bucket, key)
            raise translate(error, action="s3:GetObject", resource=resource) from error


class FolderEvidence:
    """A folder that a bucket was copied to. Files have no metadata: signatures are those that successors name."""

    def __init__(self, root: Path, relocation: Relocation) -> None:
        self._root = root
        self._relocation = relocation

    def list_folder(self, prefix: str) -> Folder:
        """List what lies directly below a prefix, which ends with a slash or is empty. Raises OSError."""
        place = self._find_path(prefix)
        entries = sorted(place.iterdir()) if place.is_dir() else []
        folders = tuple(f"{prefix}{entry.name}/" for entry in entries if entry.is_dir())
        return Folder(folders, any(not entry.is_dir() for entry in entries))

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        """List the keys below a folder, in order. Raises OSError."""
        place = self._find_path(prefix)
        for entry in sorted(place.iterdir()) if place.is_dir() else ():
            if entry.is_dir():
                yield from self.iterate_keys(f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}"

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        """Read a file."""
        path = self._root / self._relocation.find_key(bucket, key)
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise EvidenceUnreadableError(f"{path} lies outside of {self._root}")
        try:
            with path.open("rb") as file:
                return consume(iter(lambda: file.read(PIECE_BYTES), b""), {})
        except FileNotFoundError as error:
            raise EvidenceMissingError(f"{path}: {error.strerror}") from error
        except OSError as error:
            raise EvidenceUnreadableError(f"{path}: {error.strerror or error}") from error

    def describe(self, key: str) -> str:
        """Say where a file is."""
        try:
            return str(self._find_path(key))
        except EvidenceUnreadableError:
            return f"s3://{self._relocation.origin_bucket}/{key}"

    def _find_path(self, key: str) -> Path:
        return self._root / self._relocation.find_key(self._relocation.origin_bucket, key)
