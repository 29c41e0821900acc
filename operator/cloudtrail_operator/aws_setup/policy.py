"""The spec of a source, or of a backfill's own settings → the least IAM policy of each role that it names.

Which calls collectors and backfills make, and so which actions stand here, is proven by tests that run them under these
policies. Batch calls to SQS need the action of the single call.
"""

from dataclasses import dataclass, replace

from cloudtrail_operator.aws_setup.documents import Condition, Document, Statement, allow, escape, to_document
from cloudtrail_operator.aws_setup.key_prefix import build_key_pattern
from cloudtrail_spec.arn import DNS_SUFFIXES, Arn, build_bucket_arn
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.sink_kinds import S3Sink
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

QUEUE_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key, and where the services that use it for us are."""

    arn: str
    region: str
    dns_suffix: str

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read the region and the partition off an ARN."""
        arn = Arn.parse(text)
        return cls(text, arn.region, DNS_SUFFIXES[arn.partition])

    def used_through(self, service: str) -> Condition:
        """Build the condition that the key is used by a service on the caller's behalf, and not directly."""
        return {"StringEquals": {"kms:ViaService": f"{service}.{self.region}.{self.dns_suffix}"}}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the policy of a reader depends on, and no source says."""

    mode: Mode = Mode.ACTIVE
    """Test needs no right to delete. A policy for Active serves both."""
    dead_letter_queue: str | None = None
    """Its depth is shown in the status, where this is allowed."""
    log_keys: tuple[Key, ...] = ()
    queue_key: Key | None = None
    reads_queue: bool = True
    """A backfill reads none."""
    may_list: bool = False
    """For backfills, and for the command `events` on a bucket."""
    may_verify: bool = False
    """For `integrity`, and for the command `verify`: the public keys of digest files, and the list of what there is."""
    has_public_keys: bool = False
    """CloudTrail need not be asked for them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, as ARNs or references to what a template creates."""

    queue_arn: str
    bucket_arns: tuple[str, ...]
    prefix: str | None
    surroundings: Surroundings


def build_pod_policy(spec: CloudTrailSourceSpec, surroundings: Surroundings) -> Document:
    """Build the policy of the role, or user, that the collector pods are."""
    statements = [] if spec.assume_role else build_read_statements(_read_directly(spec, surroundings))
    if spec.role_arn in list_archive_roles(spec):
        statements += _build_archive_statements(spec, spec.role_arn)
    return to_document([*statements, *build_assume_statements(spec)])


def build_role_policy(spec: CloudTrailSourceSpec, role_arn: str, surroundings: Surroundings) -> Document:
    """Build the policy of a role that the collectors assume with what they are: all that the source wants of it."""
    statements: list[Statement] = []
    if spec.assume_role and spec.assume_role.role_arn == role_arn:
        statements += build_read_statements(_read_directly(spec, surroundings))
    return to_document([*statements, *_build_archive_statements(spec, role_arn)])


def list_archive_roles(spec: CloudTrailSourceSpec) -> list[str]:
    """List the roles of the s3 sinks."""
    return sorted({sink.role_arn for _, sink in list_archives(spec)})


def list_archives(spec: CloudTrailSourceSpec) -> list[tuple[str, S3Sink]]:
    """List the s3 sinks with their names."""
    return [(sink.name, sink.s3) for sink in spec.all_sinks if sink.s3 is not None]


def build_read_statements(reading: Reading) -> list[Statement]:
    """Build what lets a role receive from the queue and read log files, and nothing else."""
    around = reading.surroundings
    pattern = build_key_pattern(reading.prefix)
    statements: list[Statement] = []
    if around.reads_queue:
        dropped = {"sqs:DeleteMessage"} if around.mode is Mode.TEST else set()
        actions = [action for action in QUEUE_ACTIONS if action not in dropped]
        statements.append(allow("ReceiveMessages", actions, [reading.queue_arn]))
    if around.dead_letter_queue:
        statements.append(allow("CountDeadLetters", ["sqs:GetQueueAttributes"], [around.dead_letter_queue]))
    statements.append(allow("ReadLogFiles", ["s3:GetObject"], [f"{arn}/{pattern}" for arn in reading.bucket_arns]))
    if around.may_list or around.may_verify:
        condition: Condition = {"StringLike": {"s3:prefix": pattern}}
        statements.append(allow("ListLogFiles", ["s3:ListBucket"], reading.bucket_arns, condition))
    if around.may_verify and not around.has_public_keys:
        # The action knows no resources.
        statements.append(allow("ReadDigestKeys", ["cloudtrail:ListPublicKeys"], ["*"]))
    return statements + _build_decrypt_statements(around)


def add_integrity(spec: CloudTrailSourceSpec, surroundings: Surroundings) -> Surroundings:
    """Add what a source with `integrity` depends on. The command `verify` is told its own public keys."""
    if spec.integrity is None:
        return surroundings
    has_public_keys = bool(spec.integrity.public_keys) and not surroundings.may_verify
    return replace(surroundings, may_verify=True, has_public_keys=has_public_keys)


def build_assume_statements(spec: CloudTrailSourceSpec) -> list[Statement]:
    """Build what lets the pods assume the roles that their source names; nothing where it names none."""
    roles = ([spec.assume_role.role_arn] if spec.assume_role else []) + list_archive_roles(spec)
    unique = list(dict.fromkeys(roles))
    return [allow("AssumeRoles", list_assume_actions(spec), unique)] if unique else []


def list_assume_actions(spec: CloudTrailSourceSpec) -> list[str]:
    """List what both sides of role chaining must allow: the session tags of EKS Pod Identity go on to the next role."""
    tagged = spec.credentials_in_force.type is CredentialsType.POD_IDENTITY
    return ["sts:AssumeRole", "sts:TagSession"] if tagged else ["sts:AssumeRole"]


def _read_directly(spec: CloudTrailSourceSpec, surroundings: Surroundings) -> Reading:
    partition = Arn.parse(spec.queue_arn).partition
    buckets = dict.fromkeys((spec.bucket, *spec.extra_buckets))
    arns = tuple(build_bucket_arn(partition, bucket) for bucket in buckets)
    return Reading(spec.queue_arn, arns, spec.prefix, add_integrity(spec, surroundings))


def _build_decrypt_statements(around: Surroundings) -> list[Statement]:
    keys = [(number, key, "s3") for number, key in enumerate(around.log_keys, 1)]
    statements = [
        allow(f"DecryptLogFiles{number if number > 1 else ''}", ["kms:Decrypt"], [key.arn], key.used_through(service))
        for number, key, service in keys
    ]
    if around.queue_key:
        through_sqs = around.queue_key.used_through("sqs")
        statements.append(allow("DecryptMessages", ["kms:Decrypt"], [around.queue_key.arn], through_sqs))
    return statements


def _build_archive_statements(spec: CloudTrailSourceSpec, role_arn: str | None) -> list[Statement]:
    sinks = [sink for _, sink in list_archives(spec) if sink.role_arn == role_arn]
    if role_arn is None or not sinks:
        return []
    role = Arn.parse(role_arn)
    places = dict.fromkeys(
        build_bucket_arn(role.partition, sink.bucket, f"{escape(sink.prefix)}account=*") for sink in sinks
    )
    writes = allow("WriteArchive", ["s3:PutObject"], list(places))
    keys = list(dict.fromkeys((sink.kms_key_id, sink.region) for sink in sinks if sink.kms_key_id))
    return [writes, *(_build_encrypt_statement(number, *key, role) for number, key in enumerate(keys, 1) if key[0])]


def _build_encrypt_statement(number: int, key_id: str, region: str, role: Arn) -> Statement:
    """Allow a key. IAM knows keys by ARN only: an alias becomes a condition, an id is one of the role's account."""
    sid = f"EncryptArchive{number if number > 1 else ''}"
    known = Arn.parse(key_id) if key_id.startswith("arn:") else None
    name = known.resource if known else key_id
    base = f"arn:{role.partition}:kms:{region}:{known.account if known else role.account}"
    key = Key(f"{base}:{name if name.startswith('key/') else f'key/{name}'}", region, DNS_SUFFIXES[role.partition])
    condition = key.used_through("s3")
    if name.startswith("alias/"):
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": name}
        return allow(sid, ["kms:GenerateDataKey"], [f"{base}:key/*"], condition)
    return allow(sid, ["kms:GenerateDataKey"], [key.arn], condition)
