"""Specs of backfills that break one rule each, like those of sources in bad_specs.py."""

from support.backfills import build_backfill_spec, build_inline_source
from support.bad_specs import BadSpec
from support.sources import BUCKET, build_filter


def _inline(**changes: object) -> dict[str, object]:
    return build_backfill_spec(sourceRef=None, source=build_inline_source(**changes))


_ARCHIVE = {
    "name": "archive",
    "s3": {"bucket": BUCKET, "region": "us-east-1", "roleArn": "arn:aws:iam::111122223333:role/archive"},
}
BAD_BACKFILLS = (
    BadSpec("no interval", build_backfill_spec(interval=None), "spec.interval"),
    BadSpec("interval in words", build_backfill_spec(interval="yesterday"), "spec.interval", "write 5d, 5d-2d"),
    BadSpec("interval without a unit", build_backfill_spec(interval="5"), "spec.interval", "write 5d, 5d-2d"),
    BadSpec("interval with blanks", build_backfill_spec(interval="5d - 2d"), "spec.interval", "write 5d, 5d-2d"),
    BadSpec("a day alone", build_backfill_spec(interval="2026-01-01"), "spec.interval", "write 5d, 5d-2d"),
    BadSpec("no source at all", build_backfill_spec(sourceRef=None), "spec", "exactly one of sourceRef and source"),
    BadSpec(
        "two sources", build_backfill_spec(source=build_inline_source()), "spec", "exactly one of sourceRef and source"
    ),
    BadSpec("source in capitals", build_backfill_spec(sourceRef={"name": "Trail"}), "spec.sourceRef.name"),
    BadSpec("source elsewhere", build_backfill_spec(sourceRef={"name": "a", "namespace": "b"}), "spec.sourceRef"),
    BadSpec("account of 11 digits", build_backfill_spec(accounts=["11112222333"]), "spec.accounts[0]"),
    BadSpec("region in words", build_backfill_spec(regions=["Ireland"]), "spec.regions[0]"),
    BadSpec("digests as events", build_backfill_spec(classes=["Digest"]), "spec.classes[0]"),
    BadSpec("no share", build_backfill_spec(shares=0), "spec.shares"),
    BadSpec("many shares", build_backfill_spec(shares=101), "spec.shares"),
    BadSpec("no pod", build_backfill_spec(parallelism=0), "spec.parallelism"),
    BadSpec(
        "more pods than shares",
        build_backfill_spec(shares=2, parallelism=3),
        "spec",
        "parallelism must not be greater than shares",
    ),
    BadSpec("negative time to live", build_backfill_spec(ttlSecondsAfterFinished=-1), "spec.ttlSecondsAfterFinished"),
    BadSpec("bucket with two dots", _inline(bucket="a..b"), "spec.source", "two dots in a row"),
    BadSpec("bucket like an address", _inline(bucket="10.0.0.1"), "spec.source", "IP address"),
    BadSpec("bucket alias", _inline(bucket="data-s3alias"), "spec.source", "-s3alias"),
    BadSpec("no role", _inline(roleArn=None), "spec.source", "roleArn is needed with"),
    BadSpec("no sink", _inline(sinks=[]), "spec.source.sinks"),
    BadSpec("sink into the same bucket", _inline(sinks=[_ARCHIVE]), "spec.source", "must not write to a bucket"),
    BadSpec(
        "dead letters into the same bucket",
        _inline(deadLetterSink=_ARCHIVE),
        "spec.source",
        "must not write to a bucket",
    ),
    BadSpec(
        "dead letters to a name that is taken",
        _inline(deadLetterSink={"name": "out", "stdout": {}}),
        "spec.source",
        "needs a name that no other sink has",
    ),
    BadSpec(
        "dead letters for nobody", _inline(objects={"missing": "DeadLetter"}), "spec.source", "needs deadLetterSink"
    ),
    BadSpec(
        "metadata for Elasticsearch",
        _inline(
            sinks=[{"name": "es", "elasticsearch": {"url": "https://es.example.com", "index": "a"}}],
            raw={"metadata": True},
        ),
        "spec.source",
        "takes no field _source",
    ),
    BadSpec(
        "file outside of a volume",
        _inline(sinks=[{"name": "f", "file": {"path": "/tmp/x"}}]),  # noqa: S108
        "spec.source",
        "/data/<folder>/<file>",
    ),
    BadSpec(
        "dead letters in a file outside of a volume",
        _inline(deadLetterSink={"name": "f", "file": {"path": "/tmp/x"}}),  # noqa: S108
        "spec.source",
        "/data/<folder>/<file>",
    ),
    BadSpec("replicas", _inline(collector={"replicas": 2}), "spec.source", "leave out collector.replicas"),
    BadSpec("a queue", _inline(queueArn="arn:aws:sqs:us-east-1:111122223333:q"), "spec.source"),
    BadSpec("a filter without a field", _inline(filters=[build_filter(field=None)]), "spec.source.filters[0]"),
)
"""`field` is where both refusals begin: the API server may name a field below it."""
