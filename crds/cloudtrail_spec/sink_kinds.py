"""The kinds of sinks, each with its own settings. What all sinks have is in `sinks.py`."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.arn import ROLE_ARN_PATTERN
from cloudtrail_spec.base import ApiModel, CelRule, explain_pattern
from cloudtrail_spec.bucket_name import BucketName
from cloudtrail_spec.secrets import SecretName, SecretValue
from cloudtrail_spec.sink_http import BasicAuth, ClientTls, Headers, HttpAuth, SinkUrl, UserName

MEBIBYTE = 1024 * 1024
INDEX_PATTERN = r"^([a-z0-9.]|\{(date|month|year)\})([a-z0-9._-]|\{(date|month|year)\})*$"


class Compression(StrEnum):
    """How what leaves is compressed."""

    NONE = "None"
    GZIP = "Gzip"


class StdoutSink(ApiModel):
    """One event record a line (NDJSON) on the collector's standard output; its logs go to standard error."""


class DiscardSink(ApiModel):
    """Accepts every event record and forgets it: for dry runs and measurements."""


class FileSink(ApiModel):
    """Appends events to a file, one a line, and rotates it. A batch counts as accepted when it is on the disk."""

    path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9{][A-Za-z0-9._{}-]*)+$", max_length=1024)] = Field(
        description="Absolute path of the file, such as /data/cloudtrail/events.ndjson; in a cluster below /data, where a"
        " volume is mounted. {host} stands for the collector's host name: replicas that share a volume need it.",
    )
    max_bytes: Annotated[int, Field(ge=MEBIBYTE, le=16_384 * MEBIBYTE)] = Field(
        default=256 * MEBIBYTE, description="Size at which the file is rotated, in bytes."
    )
    max_age_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = Field(
        default=86_400, description="Age at which the file is rotated, in seconds since its first event record."
    )
    max_files: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="How many rotated files are kept; the oldest go first. Absent: all, and somebody else removes them.",
    )
    compression: Compression = Field(
        default=Compression.NONE, description="Gzip compresses files when they are rotated; the one in work is plain."
    )
    persistent_volume_claim: SecretName | None = Field(
        default=None,
        description="Name of the PersistentVolumeClaim in the source's namespace that is mounted at the file's folder."
        " Absent: an emptyDir, which is lost with its pod.",
    )


class HttpEncoding(StrEnum):
    """How a batch is written."""

    NDJSON = "NDJSON"
    JSON_ARRAY = "JSONArray"


class HttpSink(ApiModel):
    """POSTs batches. Any 2xx accepts the batch; 400, 413 and 422 refuse events, which are found by halving the batch."""

    url: SinkUrl = Field(description="Where to POST, such as https://logs.example.com/ingest.")
    encoding: HttpEncoding = Field(
        default=HttpEncoding.NDJSON,
        description="NDJSON: one event a line (application/x-ndjson). JSONArray: a list (application/json).",
    )
    compression: Compression = Field(default=Compression.NONE, description="Gzip compresses the body.")
    headers: Headers = Field(default=(), description="More headers.")
    auth: HttpAuth | None = Field(None, description=str(HttpAuth.__doc__))
    tls: ClientTls | None = Field(None, description=str(ClientTls.__doc__))


class SplunkHecSink(ApiModel):
    """Sends to a Splunk HTTP Event Collector, each event with its own time."""

    url: SinkUrl = Field(description="Base URL of the collector, such as https://splunk.example.com:8088.")
    token: SecretValue = Field(description="The HEC token.")
    index: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        None, description="Index of the events. Absent: the token's default."
    )
    source: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        None, description="Splunk's source of the events. Absent: the token's default."
    )
    sourcetype: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        default="aws:cloudtrail", description="Source type of the events."
    )
    acknowledge: bool = Field(
        default=False,
        description="true: a batch counts as accepted when the indexers have acknowledged it, within timeoutSeconds. The"
        " token must have indexer acknowledgement switched on.",
    )
    compression: Compression = Field(default=Compression.GZIP, description="Gzip compresses the body.")
    tls: ClientTls | None = Field(None, description=str(ClientTls.__doc__))


class BulkOperation(StrEnum):
    """What a bulk request does with a document."""

    CREATE = "Create"
    INDEX = "Index"


class ElasticsearchAuth(ApiModel):
    """Credentials for Elasticsearch or OpenSearch."""

    api_key: SecretValue | None = Field(None, description="Encoded API key: `Authorization: ApiKey …`.")
    basic: BasicAuth | None = Field(None, description="User name and password.")

    cel_rules: ClassVar = (CelRule("has(self.apiKey) != has(self.basic)", "auth needs exactly one of apiKey, basic"),)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.api_key is None) == (self.basic is None):
            raise ValueError(self.cel_rules[0].message)
        return self


class ElasticsearchSink(ApiModel):
    """Indexes events in Elasticsearch or OpenSearch by bulk requests; _id is the eventID, so that repeats change nothing."""

    url: SinkUrl = Field(description="Base URL, such as https://es.example.com:9200.")
    index: Annotated[
        str,
        StringConstraints(pattern=INDEX_PATTERN, max_length=255),
        explain_pattern("must be lower-case, without blanks; of placeholders there are {date}, {month} and {year}"),
    ] = Field(
        description="Index or data stream. {date}, {month} and {year} stand for the day (2026.01.31), month and year of the"
        " event in UTC, such as cloudtrail-{month}. An event whose time cannot be read goes to the index of the current"
        " day.",
    )
    operation: BulkOperation = Field(
        default=BulkOperation.CREATE,
        description="Create: what is there already stays, and counts as accepted; data streams need it. Index: it is"
        " written again.",
    )
    pipeline: Annotated[str, StringConstraints(pattern=r"^[^\s/?#&]+$", max_length=255)] | None = Field(
        None, description="Ingest pipeline of the events."
    )
    compression: Compression = Field(default=Compression.GZIP, description="Gzip compresses the body.")
    headers: Headers = Field(default=(), description="More headers.")
    auth: ElasticsearchAuth | None = Field(None, description=str(ElasticsearchAuth.__doc__))
    tls: ClientTls | None = Field(None, description=str(ClientTls.__doc__))


class ResourceAttribute(ApiModel):
    """An attribute of the OTLP resource that the log records belong to."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(description="Name of the attribute.")
    value: Annotated[str, StringConstraints(max_length=1024)] = Field(description="Its value, a text.")


class OtlpHttpSink(ApiModel):
    """Sends OpenTelemetry log records (OTLP/HTTP, protobuf); the body of each is the event as text, its time the event's."""

    url: SinkUrl = Field(
        description="Where to POST, such as http://otel-collector:4318/v1/logs. Without a path, /v1/logs is added."
    )
    resource_attributes: Annotated[tuple[ResourceAttribute, ...], Field(max_length=32)] = Field(
        default=(), description="Attributes of the resource, beside service.name and the cloud's."
    )
    compression: Compression = Field(default=Compression.GZIP, description="Gzip compresses the body.")
    headers: Headers = Field(default=(), description="More headers.")
    auth: HttpAuth | None = Field(None, description=str(HttpAuth.__doc__))
    tls: ClientTls | None = Field(None, description=str(ClientTls.__doc__))


class KafkaKey(StrEnum):
    """What becomes a message's key, and so decides its partition."""

    EVENT_ID = "EventID"
    ACCOUNT_ID = "AccountID"
    PRINCIPAL = "Principal"
    NONE = "None"


class KafkaCompression(StrEnum):
    """Compression of message batches."""

    NONE = "None"
    GZIP = "Gzip"
    SNAPPY = "Snappy"
    LZ4 = "Lz4"
    ZSTD = "Zstd"


class SaslMechanism(StrEnum):
    """How to log in to Kafka."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaSasl(ApiModel):
    """Login to Kafka."""

    mechanism: SaslMechanism = Field(description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    username: UserName = Field(description="The user name.")
    password: SecretValue = Field(description="The password.")


class KafkaSink(ApiModel):
    """Produces one message an event, idempotently; a batch counts as accepted when all in-sync replicas have it."""

    brokers: Annotated[
        tuple[
            Annotated[
                str,
                StringConstraints(pattern=r"^[^\s,/:]+:[0-9]{1,5}$", max_length=256),
                explain_pattern("must be host:port"),
            ],
            ...,
        ],
        Field(min_length=1, max_length=32),
    ] = Field(description="Bootstrap brokers, host:port.")
    topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=249)] = Field(
        description="Topic of the messages."
    )
    key: KafkaKey = Field(
        default=KafkaKey.EVENT_ID,
        description="Key of each message: EventID spreads evenly and lets compaction drop repeats, AccountID and Principal"
        " keep an account's or a principal's events in one partition, None lets Kafka spread them.",
    )
    compression: KafkaCompression = Field(default=KafkaCompression.LZ4, description="Compression of message batches.")
    max_message_bytes: Annotated[int, Field(ge=16_384, le=64 * MEBIBYTE)] = Field(
        default=MEBIBYTE, description="Largest message; a larger event is rejected. Not above the topic's own limit."
    )
    tls: ClientTls | None = Field(None, description="TLS to the brokers; {} means TLS with the image's authorities.")
    sasl: KafkaSasl | None = Field(None, description=str(KafkaSasl.__doc__))


class S3Sink(ApiModel):
    """Archives events as NDJSON objects, gzipped, partitioned by account, region and day. Never in a source bucket."""

    bucket: BucketName = Field(description="Bucket of the archive; none that the source reads.")
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$", max_length=32)] = Field(
        description="AWS region of the bucket."
    )
    role_arn: Annotated[str, StringConstraints(pattern=ROLE_ARN_PATTERN, max_length=2048)] = Field(
        description="ARN of the role that may write (s3:PutObject). It is assumed with the credentials of the pod; the role"
        " that reads the source needs no right to write."
    )
    external_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$", min_length=2, max_length=1224)] | None
    ) = Field(None, description="External id that the role's trust policy asks for. Not a secret.")
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!_.*'()=/-]*$", max_length=512)] = Field(
        default="cloudtrail/", description="What the keys begin with; behind it follow account=…/region=…/date=…/."
    )
    kms_key_id: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")] | None = (
        Field(None, description="KMS key that encrypts the objects. Absent: the bucket's default encryption.")
    )
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+/?$", max_length=512)] | None = Field(
        None, description="Base URL used for S3 and STS of this sink instead of AWS's. For VPC endpoints and tests."
    )
