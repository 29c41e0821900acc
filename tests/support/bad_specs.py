"""Specs that break one rule each: what is wrong, the spec, the field that is to blame, and words of the message.

The API server (CRD) and the Python models must both refuse every one of them: the rules are written twice, in CEL and
in Python, and this table holds them together.
"""

from dataclasses import dataclass
from typing import Any

from support.sources import BUCKET, build_filter, build_spec


@dataclass(frozen=True)
class BadSpec:
    """A spec that must be refused; `words` stand in both refusals."""

    name: str
    spec: dict[str, Any]
    field: str
    words: str = ""


OUT = {"name": "out", "stdout": {}}
SECRET = {"secretKeyRef": {"name": "siem", "key": "token"}}
HASH = {"key": SECRET}


def _sink(kind: str, **settings: Any) -> dict[str, Any]:
    return build_spec(sinks=[{"name": "out", kind: settings}])


def _archive(bucket: str) -> dict[str, Any]:
    role = "arn:aws:iam::111122223333:role/archive"
    return {"name": "archive", "s3": {"bucket": bucket, "region": "us-east-1", "roleArn": role}}


def _collector(**settings: Any) -> dict[str, Any]:
    return build_spec(collector=settings)


def _mounted(path: str) -> dict[str, Any]:
    volume = {"name": "x", "emptyDir": {}}
    return {"extraVolumes": [volume], "extraVolumeMounts": [{"name": "x", "mountPath": path}]}


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
    BadSpec("integrity of no mode", build_spec(integrity={"publicKeys": []}), "spec.integrity.mode"),
    BadSpec("integrity of another mode", build_spec(integrity={"mode": "Block"}), "spec.integrity.mode"),
    BadSpec(
        "public key as PEM",
        build_spec(
            integrity={"mode": "Report", "publicKeys": [{"fingerprint": "0" * 32, "value": "-----" + "A" * 100}]}
        ),
        "spec.integrity.publicKeys[0].value",
    ),
    BadSpec(
        "integrity of one folder",
        build_spec(integrity={"mode": "Report"}, prefix="AWSLogs/o-abc/111122223333/CloudTrail/"),
        "spec",
        "integrity needs a prefix that ends",
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
    BadSpec(
        "selector pattern is no RE2",
        build_spec(filters=[build_filter(matches=["(?=a)b"])]),
        "spec.filters[0].fieldSelectors[0]",
    ),
    BadSpec(
        "network is a name",
        build_spec(filters=[build_filter(cidr=["vpn.example.com"])]),
        "spec.filters[0].fieldSelectors[0].cidr[0]",
    ),
    BadSpec(
        "filter of both forms",
        build_spec(filters=[build_filter(), build_filter("both") | {"ruleSet": "console-noise"}]),
        "spec.filters[1]",
        "a filter needs either ruleSet, or action and fieldSelectors",
    ),
    BadSpec(
        "filter of no form",
        build_spec(filters=[{"name": "x", "action": "Drop"}]),
        "spec.filters[0]",
        "a filter needs either ruleSet, or action and fieldSelectors",
    ),
    BadSpec("unknown rule set", build_spec(filters=[{"name": "x", "ruleSet": "all-noise"}]), "spec.filters[0].ruleSet"),
    BadSpec(
        "sample of how many",
        build_spec(filters=[build_filter(action="Sample")]),
        "spec.filters[0]",
        "oneIn is needed with, and only allowed with, action Sample",
    ),
    BadSpec(
        "one in so many dropped",
        build_spec(filters=[build_filter() | {"oneIn": 10}]),
        "spec.filters[0]",
        "oneIn is needed with, and only allowed with, action Sample",
    ),
    BadSpec("one in one", build_spec(filters=[build_filter(action="Sample") | {"oneIn": 1}]), "spec.filters[0].oneIn"),
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
    BadSpec("scaling without a maximum", build_spec(scaling={"min": 1}), "spec.scaling.max"),
    BadSpec(
        "scaling to no message", build_spec(scaling={"max": 2, "targetMessages": 0}), "spec.scaling.targetMessages"
    ),
    BadSpec(
        "scaling to more CPU", build_spec(scaling={"max": 2, "targetCPUPercent": 101}), "spec.scaling.targetCPUPercent"
    ),
    BadSpec(
        "more messages held than SQS allows",
        build_spec(scaling={"max": 11}, test={"maxMessages": 10_000}),
        "spec",
        "SQS allows 120,000 messages in flight",
    ),
    BadSpec(
        "a share of CPU that nobody requests",
        build_spec(scaling={"max": 2, "targetCPUPercent": 80}, collector={"resources": {"limits": {"memory": "1Gi"}}}),
        "spec",
        "it is a share of what is requested",
    ),
    BadSpec("unknown format", build_spec(format="CEF"), "spec.format"),
    BadSpec("unknown mask", build_spec(mask=[{"preset": "Everything"}]), "spec.mask[0].preset"),
    BadSpec(
        "mask of nothing", build_spec(mask=[{"hash": HASH}]), "spec.mask[0]", "exactly one of preset, field, pattern"
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
        build_spec(mask=[{"preset": "UserNames", "replacement": "-", "hash": HASH}]),
        "spec.mask[0]",
        "at most one of replacement, hash",
    ),
    BadSpec(
        "mask field is no path",
        build_spec(mask=[{"name": "x", "field": "a..b", "hash": HASH}]),
        "spec.mask[0].field",
    ),
    BadSpec(
        "mask pattern matches nothing at all",
        build_spec(mask=[{"name": "x", "pattern": "a*", "hash": HASH}]),
        "spec.mask[0]",
        "pattern must be an RE2 expression that does not match empty text",
    ),
    BadSpec(
        "mask pattern is no RE2",
        build_spec(mask=[{"name": "x", "pattern": "(?=a)b", "hash": HASH}]),
        "spec.mask[0]",
    ),
    BadSpec("hash without a key", build_spec(mask=[{"preset": "UserNames", "hash": {}}]), "spec.mask[0].hash.key"),
    BadSpec(
        "secret in the open",
        _sink("splunkHec", url="https://splunk:8088", token="hunter2"),
        "spec.sinks[0].splunkHec.token",
    ),
    BadSpec(
        "two ways to log in",
        _sink("http", url="https://x", auth={"bearer": SECRET, "basic": {"username": "u", "password": SECRET}}),
        "spec.sinks[0].http.auth",
        "exactly one of bearer, basic",
    ),
    BadSpec(
        "certificate without its key",
        _sink("http", url="https://x", tls={"certificate": SECRET}),
        "spec.sinks[0].http.tls",
        "certificate and privateKey need each other",
    ),
    BadSpec(
        "header that the sink sets",
        _sink("http", url="https://x", headers=[{"name": "Content-type", "value": "text/plain"}]),
        "spec.sinks[0].http.headers[0]",
        "the sink itself sets",
    ),
    BadSpec(
        "header with two values",
        _sink("http", url="https://x", headers=[{"name": "X-A", "value": "a", "secretValue": SECRET}]),
        "spec.sinks[0].http.headers[0]",
        "exactly one of value, secretValue",
    ),
    BadSpec(
        "elasticsearch without credentials in auth",
        _sink("elasticsearch", url="https://x", index="cloudtrail", auth={}),
        "spec.sinks[0].elasticsearch.auth",
        "exactly one of apiKey, basic",
    ),
    BadSpec(
        "index in capitals",
        _sink("elasticsearch", url="https://x", index="CloudTrail"),
        "spec.sinks[0].elasticsearch.index",
    ),
    BadSpec("kafka without brokers", _sink("kafka", brokers=[], topic="t"), "spec.sinks[0].kafka.brokers"),
    BadSpec("broker without port", _sink("kafka", brokers=["kafka"], topic="t"), "spec.sinks[0].kafka.brokers[0]"),
    BadSpec(
        "archive in the source's bucket", build_spec(sinks=[_archive(BUCKET)]), "spec", "must not write to a bucket"
    ),
    BadSpec(
        "archive in an extra bucket",
        build_spec(extraBuckets=["other-1"], sinks=[_archive("other-1")]),
        "spec",
        "must not write to a bucket",
    ),
    BadSpec(
        "dead letters into the source's bucket",
        build_spec(deadLetterSink=_archive(BUCKET)),
        "spec",
        "must not write to a bucket",
    ),
    BadSpec("port that is none", _sink("http", url="https://x:99999/"), "spec.sinks[0].http.url"),
    BadSpec("password in a url", _sink("http", url="https://me:secret@x/"), "spec.sinks[0].http.url"),
    BadSpec(
        "index with an unknown placeholder",
        _sink("elasticsearch", url="https://x", index="cloudtrail-{day}"),
        "spec.sinks[0].elasticsearch.index",
    ),
    BadSpec(
        "metadata for a store that keeps the name for itself",
        build_spec(raw={"metadata": True}, sinks=[{"name": "es", "elasticsearch": {"url": "https://x", "index": "x"}}]),
        "spec",
        "takes no field _source",
    ),
    BadSpec("relative file", _sink("file", path="events.ndjson"), "spec.sinks[0].file.path"),
    BadSpec("file outside of a volume", _sink("file", path="/etc/x/events"), "spec", "writes below /data"),
    BadSpec(
        "route to nowhere",
        build_spec(sinks=[OUT | {"fieldSelectors": [{"field": "eventName"}]}]),
        "spec.sinks[0].fieldSelectors[0]",
        "at least one of equals",
    ),
    BadSpec(
        "dead letters with a format",
        build_spec(deadLetterSink={"name": "rejects", "stdout": {}, "format": "ECS"}),
        "spec.deadLetterSink.format",
    ),
    BadSpec(
        "no attempt at all", build_spec(sinks=[OUT | {"retry": {"maxAttempts": 0}}]), "spec.sinks[0].retry.maxAttempts"
    ),
    BadSpec(
        "metric of nothing", build_spec(metrics=[{"name": "x"}]), "spec.metrics[0]", "exactly one of fieldSelectors"
    ),
    BadSpec(
        "metric with an unbounded label",
        build_spec(metrics=[{"name": "x", "preset": "cis-aws-foundations", "labels": ["EventID"]}]),
        "spec.metrics[0].labels[0]",
    ),
    BadSpec(
        "variable that says who the collector is",
        _collector(extraEnv=[{"name": "AWS_ACCESS_KEY_ID", "value": "AKIAEXAMPLE"}]),
        "spec.collector.extraEnv[0]",
        "cannot be set here",
    ),
    BadSpec(
        "variable that opens the role of the node",
        _collector(extraEnv=[{"name": "AWS_EC2_METADATA_DISABLED", "value": "false"}]),
        "spec.collector.extraEnv[0]",
        "cannot be set here",
    ),
    BadSpec(
        "variable that makes Python load other code",
        _collector(extraEnv=[{"name": "PYTHONPATH", "value": "/mnt/x"}]),
        "spec.collector.extraEnv[0]",
        "cannot be set here",
    ),
    BadSpec(
        "variable with two values",
        _collector(extraEnv=[{"name": "A", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
        "spec.collector.extraEnv[0]",
        "exactly one of value, valueFrom",
    ),
    BadSpec(
        "variable from nowhere",
        _collector(extraEnv=[{"name": "A", "valueFrom": {}}]),
        "spec.collector.extraEnv[0].valueFrom",
        "exactly one of secretKeyRef, configMapKeyRef, fieldRef",
    ),
    BadSpec(
        "variable with a blank", _collector(extraEnv=[{"name": "A B", "value": ""}]), "spec.collector.extraEnv[0].name"
    ),
    BadSpec("two variables of one name", _collector(extraEnv=[{"name": "A", "value": "1"}] * 2), "spec.collector"),
    BadSpec(
        "volume of the node",
        _collector(extraVolumes=[{"name": "x", "hostPath": {"path": "/"}}]),
        "spec.collector.extraVolumes[0].hostPath",
    ),
    BadSpec(
        "token of a ServiceAccount",
        _collector(extraVolumes=[{"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
        "spec.collector.extraVolumes[0].projected.sources[0].serviceAccountToken",
    ),
    BadSpec(
        "volume of no kind",
        _collector(extraVolumes=[{"name": "x"}]),
        "spec.collector.extraVolumes[0]",
        "a volume needs exactly one of",
    ),
    BadSpec(
        "mount without its volume",
        _collector(extraVolumeMounts=[{"name": "x", "mountPath": "/mnt/x"}]),
        "spec.collector",
        "needs a volume of its name",
    ),
    BadSpec(
        "mount over the collector's own files",
        _collector(**_mounted("/etc/cloudtrail-collector")),
        "spec.collector.extraVolumeMounts[0].mountPath",
    ),
    BadSpec(
        "mount that climbs out of its place",
        _collector(**_mounted("/mnt/../usr")),
        "spec.collector.extraVolumeMounts[0].mountPath",
    ),
    BadSpec(
        "spread over nothing",
        _collector(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "", "whenUnsatisfiable": "DoNotSchedule"}]),
        "spec.collector.topologySpreadConstraints[0].topologyKey",
    ),
)
