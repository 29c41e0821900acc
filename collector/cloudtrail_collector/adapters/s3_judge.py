"""GetObject by boto3: slower than obstore, but what it says is what AWS said."""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError, ReadTimeoutError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.adapters.s3_fast import Address
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.arn import build_bucket_arn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE_BYTES = 1024 * 1024
_ERRORS = (BotoCoreError, ClientError, HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class JudgedObject:
    """An object that boto3 has begun to read; `address` is where it was found in the end."""

    size: int
    written_at: float | None
    address: Address
    resource: str
    body: StreamingBody
    transfer_seconds: float

    def read(self) -> bytes:
        """Read it to its end, once. Raises AwsError."""
        try:
            with self.body:
                return self._read_in_time()
        except _ERRORS as error:
            raise _translate(error, self.resource) from error

    def _read_in_time(self) -> bytes:
        """Read what there is, again and again: botocore bounds a wait for bytes, but not how many waits there are."""
        # botocore's own read would wait until a piece is full.
        body: Any = self.body
        stream = body._raw_stream  # noqa: SLF001
        deadline = time.monotonic() + self.transfer_seconds
        content = bytearray()
        while piece := stream.read1(PIECE_BYTES):
            content += piece
            if time.monotonic() > deadline:
                raise ReadTimeoutError(endpoint_url=self.address.endpoint)
        if len(content) != self.size:
            raise IncompleteReadError(actual_bytes=len(content), expected_bytes=self.size)
        return bytes(content)


class Judge:
    """The buckets of a source, as boto3 sees them."""

    def __init__(self, client: "S3Client", partition: str, transfer_seconds: float) -> None:
        self._client = client
        self._partition = partition
        self._transfer_seconds = transfer_seconds
        self._last_request = threading.local()
        client.meta.events.register("request-created.s3.GetObject", self._note_request)

    def open(self, bucket: str, key: str) -> JudgedObject:
        """Ask for an object. Raises AwsError."""
        resource = build_bucket_arn(self._partition, bucket, key)
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except _ERRORS as error:
            raise _translate(error, resource) from error
        return JudgedObject(
            size=answer["ContentLength"],
            written_at=answer["LastModified"].timestamp(),
            address=self._build_address(bucket),
            resource=resource,
            body=answer["Body"],
            transfer_seconds=self._transfer_seconds,
        )

    def _note_request(self, request: AWSRequest, **_: Any) -> None:
        """Keep what botocore sends, in the thread that sends it: the last one is the one that was answered."""
        self._last_request.value = request

    def _build_address(self, bucket: str) -> Address:
        request: AWSRequest = self._last_request.value
        url = urlsplit(str(request.url))
        base = url.path.split(f"/{bucket}/", 1)[0]
        return Address(f"{url.scheme}://{url.netloc}{base}", request.context["signing"]["region"])


def _translate(error: Exception, resource: str) -> AwsError:
    return translate(error, action="s3:GetObject", resource=resource)
