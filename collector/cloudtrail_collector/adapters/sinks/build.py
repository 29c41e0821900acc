"""Builds a sink of the kind that its spec names. A kind's client is loaded only where it is used."""

from importlib import import_module
from typing import cast

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.ports import Sink
from cloudtrail_spec.sinks import SINK_KINDS, SinkTarget

_CLASSES = {
    "stdout": "stdout:StdoutSink",
    "discard": "discard:DiscardSink",
    "file": "file:FileSink",
    "http": "http:HttpSink",
    "splunk_hec": "splunk_hec:SplunkHecSink",
    "elasticsearch": "elasticsearch:ElasticsearchSink",
    "otlp_http": "otlp_http:OtlpHttpSink",
    "kafka": "kafka:KafkaSink",
    "s3": "s3_archive:S3Sink",
}


def build_sink(spec: SinkTarget, secrets: SecretFiles) -> Sink:
    """Build the sink; nothing is asked of anybody yet."""
    kind = next(kind for kind in SINK_KINDS if getattr(spec, kind) is not None)
    module, _, name = _CLASSES[kind].partition(":")
    return cast("Sink", getattr(import_module(f"cloudtrail_collector.adapters.sinks.{module}"), name)(spec, secrets))
