"""Builds what every program needs that delivers log files: from a pipeline's configuration to its sinks."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.build import build_sink
from cloudtrail_collector.core.formats import FormatEvent, build_format
from cloudtrail_collector.core.masking import compile_masks
from cloudtrail_collector.core.parcels import Outlet
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_collector.core.sinks.batch_defaults import count_senders, find_limits
from cloudtrail_collector.pipeline.budget import MemoryBudget
from cloudtrail_collector.pipeline.collect import MessageCollector
from cloudtrail_collector.pipeline.dedupe import DeliveredIds
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.pipeline.feed import FeedSettings, SinkFeed
from cloudtrail_collector.pipeline.file_delivery import FileDelivery
from cloudtrail_collector.ports import ObjectStore
from cloudtrail_collector.settings import Settings
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.sinks import RetrySettings, SinkTarget

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Larger buffers are those of files that are read in pieces: they go back at once.
BUFFER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RecordPath:
    """The way of event records: `collector` reads log files, `delivery` has the sinks at the end of it."""

    collector: MessageCollector
    delivery: Delivery


def build_record_path(
    spec: PipelineSpec,
    settings: Settings,
    store: ObjectStore,
    telemetry: Telemetry,
) -> RecordPath:
    """Build it; nothing runs yet. Raises SecretMissingError, ValueError."""
    secrets = SecretFiles(settings.secrets_directory)
    masker = compile_masks(spec.mask, secrets.read)
    feeds = {sink.name: _build_feed(sink, secrets, telemetry) for sink in spec.all_sinks}
    dead_letters = feeds[spec.dead_letter_sink.name] if spec.dead_letter_sink else None
    delivery = Delivery([feeds[sink.name] for sink in spec.sinks], dead_letters)
    delivered = None if spec.dedupe is None else DeliveredIds(spec.dedupe.window_size)
    rules = SelectionRules(spec.filters, [sink.field_selectors for sink in spec.sinks], spec.metrics)
    collector = MessageCollector(
        spec,
        store,
        RecordSelector(rules, masker, None if delivered is None else delivered.is_known),
        FileDelivery(_build_outlets(spec, feeds, settings.source), delivery, delivered, telemetry),
        MemoryBudget(delivery.flush),
        telemetry,
    )
    return RecordPath(collector, delivery)


def _build_feed(spec: SinkTarget, secrets: SecretFiles, telemetry: Telemetry) -> SinkFeed:
    settings = FeedSettings(find_limits(spec), spec.retry or RetrySettings(), count_senders(spec))
    return SinkFeed(build_sink(spec, secrets), settings, telemetry)


def _build_outlets(spec: PipelineSpec, feeds: Mapping[str, SinkFeed], source: str) -> Sequence[Outlet]:
    """Build an outlet for each sink; sinks of one format share it, so that an event is formatted once."""
    formats: dict[tuple[EventFormat, RawOptions], FormatEvent | None] = {}
    outlets = []
    for sink in spec.sinks:
        wanted = (sink.format or spec.format, sink.raw or spec.raw or RawOptions())
        if wanted not in formats:
            formats[wanted] = build_format(*wanted, source)
        outlets.append(Outlet(sink.name, formats[wanted], feeds[sink.name].sink.wants_envelopes))
    return outlets


def tune_malloc() -> None:
    """Keep freed buffers of log files in the process and use them again, whichever thread frees them.

    Returning each to the kernel costs a fifth of the CPU, in page faults; an arena for each thread keeps as many buffers as
    there are threads, none of them in a cache. For glibc; elsewhere this does nothing. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, BUFFER_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * BUFFER_BYTES)
