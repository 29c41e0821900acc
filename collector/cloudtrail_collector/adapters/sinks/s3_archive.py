"""Writes batches as gzipped NDJSON objects into an archive bucket, with a role of its own.

The role is assumed with the credentials of the pod, never with the role that reads the source. Objects have the type
`application/gzip` and no Content-Encoding: whoever reads them gets what is stored and goes by the name's `.gz`, as Athena
and Spark do, and no HTTP client unpacks them in passing.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from isal import igzip

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.adapters.credentials import find_credentials
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.sinks.archive_keys import ArchiveObject, cut_into_objects
from cloudtrail_collector.errors import ACK_TIMEOUT, AwsError, SinkError
from cloudtrail_spec.arn import Arn, build_bucket_arn
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import AssumedRole
from cloudtrail_spec.sink_kinds import S3Sink as S3Settings
from cloudtrail_spec.sinks import SinkTarget

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A batch of an organization has many partitions, each a request of some 30 ms.
PARALLEL_WRITES = 8
CONNECT_TIMEOUT_SECONDS = 5
GZIP_LEVEL = 3
# S3 says SlowDown without saying for how long.
SLOW_DOWN_SECONDS = 5.0

_ERRORS = (BotoCoreError, ClientError, OSError)
_MISCONFIGURED = {
    Reason.ACCESS_DENIED,
    Reason.KMS_ACCESS_DENIED,
    Reason.BUCKET_NOT_FOUND,
    Reason.CREDENTIALS_REJECTED,
}


class S3Sink:
    """Accepts a batch when all of its objects are written. Where one fails, all are written again, under the same names."""

    wants_envelopes = True

    def __init__(self, spec: SinkTarget, _secrets: object = None) -> None:
        assert spec.s3 is not None  # noqa: S101  (its kind)
        self.name = spec.name
        self._settings = spec.s3
        self._timeout_seconds = spec.timeout_seconds
        self._client = _build_client(spec.s3, spec.timeout_seconds)
        self._encryption: dict[str, str] = {}
        if spec.s3.kms_key_id:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": spec.s3.kms_key_id}
        self._writers = ThreadPoolExecutor(PARALLEL_WRITES, f"s3-{spec.name}")

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Write the batch, within the timeout."""
        deadline = time.monotonic() + self._timeout_seconds
        writes = [self._writers.submit(self._write, part) for part in cut_into_objects(batch, self._settings.prefix)]
        wait(writes, self._timeout_seconds, return_when=FIRST_EXCEPTION)
        # After a failure nothing more begins, and what has begun ends, so that the next attempt does not meet it.
        begun = [write for write in writes if not write.cancel()]
        ended, late = wait(begun, max(deadline - time.monotonic(), 0.0))
        for write in ended:
            if isinstance(error := write.exception(), AwsError):
                raise self._translate(error) from error
            write.result()
        if late or len(begun) < len(writes):
            message = f"bucket {self._settings.bucket} has not taken the batch within {self._timeout_seconds} s"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, message)
        return ()

    def close(self) -> None:
        """End the threads and the connections."""
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _write(self, part: ArchiveObject) -> None:
        """Write one object. Raises AwsError."""
        body = igzip.compress(part.content, GZIP_LEVEL, mtime=0)
        arguments: dict[str, Any] = {"ContentType": "application/gzip", **self._encryption}
        try:
            self._client.put_object(Bucket=self._settings.bucket, Key=part.key, Body=body, **arguments)
        except _ERRORS as error:
            partition = Arn.parse(self._settings.role_arn).partition
            resource = build_bucket_arn(partition, self._settings.bucket, part.key)
            raise translate(error, action="s3:PutObject", resource=resource) from error

    def _translate(self, error: AwsError) -> SinkError:
        reason, pause = Reason.SINK_REJECTED, None
        if error.reason in _MISCONFIGURED:
            reason = Reason.SINK_MISCONFIGURED
        elif error.reason is Reason.ENDPOINT_UNREACHABLE:
            reason = Reason.SINK_UNREACHABLE
        elif error.reason is Reason.THROTTLED:
            pause = SLOW_DOWN_SECONDS
        message = f"{self._describe(error)} ({error.code}: {error.message})"
        return SinkError(self.name, reason, error.code, message, retry_after=pause)

    def _describe(self, error: AwsError) -> str:
        """Say in plain words what AWS refuses."""
        settings, resource = self._settings, error.resource
        if error.action != "s3:PutObject":
            return f"no credentials of role {settings.role_arn}: {error.action} on {resource} failed"
        key = settings.kms_key_id or "of the bucket"
        words = {
            Reason.ACCESS_DENIED: f"role {settings.role_arn} may not {error.action} on {resource}",
            Reason.KMS_ACCESS_DENIED: f"role {settings.role_arn} may not kms:GenerateDataKey with key {key}",
            Reason.BUCKET_NOT_FOUND: f"bucket {settings.bucket} does not exist",
            Reason.ENDPOINT_UNREACHABLE: f"no answer from S3 in {settings.region}",
            Reason.THROTTLED: f"S3 asks to write less to bucket {settings.bucket}",
        }
        return words.get(error.reason, f"bucket {settings.bucket} has refused an object")


def _build_client(settings: S3Settings, timeout_seconds: int) -> "S3Client":
    """Build a client that signs with the sink's role; asks nobody yet."""
    core = botocore.session.Session()
    if core.get_config_variable("region") is None:
        core.set_config_variable("region", settings.region)
    # One more try at once; what is beyond is the feed's.
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    config = Config(
        connect_timeout=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        read_timeout=timeout_seconds,
        max_pool_connections=PARALLEL_WRITES,
        retries=retries,
        user_agent_extra=f"cloudtrail-collector/{__version__}",
    )
    core.set_default_client_config(config)
    role = AssumedRole(role_arn=settings.role_arn, external_id=settings.external_id)
    find_credentials(core, role, os.environ, sts_endpoint=settings.endpoint_url)
    return boto3.Session(botocore_session=core).client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        config=Config(s3={"addressing_style": "path"}),
    )
