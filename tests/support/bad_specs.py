"""Specs that break one rule each: what is wrong, the spec, the field that is to blame, and words of the message.

The API server (CRD) and the Python models must both refuse every one of them: the rules are written twice, in CEL and
in Python, and this table holds them together.
"""

from dataclasses import dataclass
from typing import Any

from support.sources import build_filter, build_spec


@dataclass(frozen=True)
class BadSpec:
    """A spec that must be refused; `words` stand in both refusals."""

    name: str
    spec: dict[str, Any]
    field: str
    words: str = ""


OUT = {"name": "out", "stdout": {}}

BAD_SPECS = (
    BadSpec("unknown mode", build_spec(mode="Running"), "spec.mode"),
    BadSpec("no bucket", build_spec(bucket=None), "spec.bucket"),
    BadSpec("bucket in capitals", build_spec(bucket="Acme"), "spec.bucket"),
    BadSpec("bucket with two dots", build_spec(bucket="a..b"), "spec.bucket", "two dots in a row"),
    BadSpec("bucket like an address", build_spec(bucket="10.0.0.1"), "spec.bucket", "IP address"),
    BadSpec("bucket alias", build_spec(bucket="data-s3alias"), "spec.bucket", "-s3alias"),
    BadSpec("extra bucket in capitals", build_spec(extraBuckets=["Acme"]), "spec.extraBuckets[0]"),
    BadSpec("extra bucket with two dots", build_spec(extraBuckets=["ok-1", "a..b"]), "spec.extraBuckets", "two dots"),
    BadSpec("account of 11 digits", build_spec(objects={"accountIds": ["11112222333"]}), "spec.objects.accountIds[0]"),
    BadSpec("digests as events", build_spec(objects={"classes": ["Digest"]}), "spec.objects.classes[0]"),
    BadSpec("no class at all", build_spec(objects={"classes": []}), "spec.objects.classes"),
    BadSpec(
        "dead letters for nobody",
        build_spec(objects={"missing": "DeadLetter"}),
        "spec",
        "objects.missing: DeadLetter needs deadLetterSink",
    ),
    BadSpec(
        "dead letters to a name that is taken",
        build_spec(deadLetterSink={"name": "out", "stdout": {}}),
        "spec",
        "needs a name that no other sink has",
    ),
    BadSpec("dead letters to nowhere", build_spec(deadLetterSink={"name": "rejects"}), "spec.deadLetterSink"),
    BadSpec("tiny window", build_spec(dedupe={"windowSize": 10}), "spec.dedupe.windowSize"),
    BadSpec(
        "chained user",
        build_spec(assumeRole={"roleArn": "arn:aws:iam::111122223333:user/x"}),
        "spec.assumeRole.roleArn",
    ),
    BadSpec("endpoint without scheme", build_spec(endpoints={"s3": "vpce.example.com"}), "spec.endpoints.s3"),
    BadSpec("queue URL instead of ARN", build_spec(queueArn="https://sqs/1/q"), "spec.queueArn"),
    BadSpec("FIFO queue", build_spec(queueArn="arn:aws:sqs:us-east-1:111122223333:q.fifo"), "spec.queueArn"),
    BadSpec("region differs", build_spec(region="eu-west-1"), "spec", "region must be the region in queueArn"),
    BadSpec("no such region", build_spec(region="Frankfurt"), "spec.region"),
    BadSpec("role missing for IRSA", build_spec(roleArn=None), "spec", "roleArn is needed"),
    BadSpec(
        "role with pod identity",
        build_spec(credentials={"type": "PodIdentity"}),
        "spec",
        "roleArn is needed with, and only allowed with",
    ),
    BadSpec("role is a user", build_spec(roleArn="arn:aws:iam::111122223333:user/x"), "spec.roleArn"),
    BadSpec(
        "secret without reference",
        build_spec(roleArn=None, credentials={"type": "Secret"}),
        "spec.credentials",
        "secretRef is needed",
    ),
    BadSpec("no sink in Test", build_spec(sinks=None), "spec", "at least one sink"),
    BadSpec("no sink in Active", build_spec(mode="Active", sinks=[]), "spec", "at least one sink"),
    BadSpec("sink of no kind", build_spec(sinks=[{"name": "out"}]), "spec.sinks[0]", "exactly one of"),
    BadSpec(
        "sink of two kinds",
        build_spec(sinks=[{"name": "out", "stdout": {}, "discard": {}}]),
        "spec.sinks[0]",
        "exactly one of",
    ),
    BadSpec("http without url", build_spec(sinks=[{"name": "out", "http": {}}]), "spec.sinks[0].http.url"),
    BadSpec(
        "http url of another scheme",
        build_spec(sinks=[{"name": "o", "http": {"url": "ftp://x"}}]),
        "spec.sinks[0].http.url",
    ),
    BadSpec("two sinks of one name", build_spec(sinks=[OUT, OUT]), "spec"),
    BadSpec("two filters of one name", build_spec(filters=[build_filter(), build_filter()]), "spec"),
    BadSpec(
        "selector without operator",
        build_spec(filters=[{"name": "x", "action": "Drop", "fieldSelectors": [{"field": "eventName"}]}]),
        "spec.filters[0].fieldSelectors[0]",
        "at least one of equals",
    ),
    BadSpec("filter action", build_spec(filters=[build_filter(action="Mask")]), "spec.filters[0].action"),
    BadSpec(
        "filter field is no path",
        build_spec(filters=[build_filter(field="event name")]),
        "spec.filters[0].fieldSelectors[0].field",
    ),
    BadSpec("no values", build_spec(filters=[build_filter(equals=[])]), "spec.filters[0].fieldSelectors[0].equals"),
    BadSpec("visibility too short", build_spec(visibilityTimeoutSeconds=5), "spec.visibilityTimeoutSeconds"),
    BadSpec("test bound of zero", build_spec(test={"maxMessages": 0}), "spec.test.maxMessages"),
    BadSpec("no replicas", build_spec(collector={"replicas": 0}), "spec.collector.replicas"),
    BadSpec("scaling upside down", build_spec(scaling={"min": 3, "max": 2}), "spec.scaling", "min must not be greater"),
    BadSpec(
        "scaling beside replicas",
        build_spec(scaling={"max": 2}, collector={"replicas": 2}),
        "spec",
        "exclude each other",
    ),
    BadSpec("unknown format", build_spec(format="CEF"), "spec.format"),
    BadSpec("unknown mask", build_spec(mask=[{"preset": "Everything"}]), "spec.mask[0].preset"),
    BadSpec(
        "mask of nothing", build_spec(mask=[{"hash": {}}]), "spec.mask[0]", "exactly one of preset, field, pattern"
    ),
    BadSpec(
        "mask of two things",
        build_spec(mask=[{"name": "x", "field": "a", "pattern": "b", "replacement": "-"}]),
        "spec.mask[0]",
        "exactly one of preset, field, pattern",
    ),
    BadSpec(
        "own mask without a name",
        build_spec(mask=[{"field": "a", "replacement": "-"}]),
        "spec.mask[0]",
        "needs a name and exactly one of replacement, hash",
    ),
    BadSpec(
        "own mask without a replacement",
        build_spec(mask=[{"name": "x", "field": "a"}]),
        "spec.mask[0]",
        "needs a name and exactly one of replacement, hash",
    ),
    BadSpec(
        "preset with a name",
        build_spec(mask=[{"preset": "UserNames", "name": "x"}]),
        "spec.mask[0]",
        "a preset takes no name",
    ),
    BadSpec(
        "preset with replacement and hash",
        build_spec(mask=[{"preset": "UserNames", "replacement": "-", "hash": {}}]),
        "spec.mask[0]",
        "at most one of replacement, hash",
    ),
    BadSpec(
        "mask field is no path",
        build_spec(mask=[{"name": "x", "field": "a..b", "hash": {}}]),
        "spec.mask[0].field",
    ),
    BadSpec(
        "mask pattern matches nothing at all",
        build_spec(mask=[{"name": "x", "pattern": "a*", "hash": {}}]),
        "spec.mask[0]",
        "pattern must be an RE2 expression that does not match empty text",
    ),
    BadSpec(
        "mask pattern is no RE2",
        build_spec(mask=[{"name": "x", "pattern": "(?=a)b", "hash": {}}]),
        "spec.mask[0]",
    ),
)
