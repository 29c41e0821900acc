"""One selection: pack it, ship it, ship what cannot be delivered as dead letters, and say how it went."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cloudtrail_collector.core.dead_letter import (
    DeadLetterReason,
    LostRecord,
    Origin,
    build_file_letter,
    build_record_letter,
)
from cloudtrail_collector.core.parcels import Outlet, pack
from cloudtrail_collector.core.selection import Selection
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.pipeline.accepted import AcceptedParcels
from cloudtrail_collector.pipeline.dedupe import DeliveredIds
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.pipeline.shipment import Shipment
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason

EVENT_REJECTED = "EventRejected"
# Called once, by whichever thread, with the reason why something is not done, None when it is.
OnDone: TypeAlias = Callable[[str | None], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """A selection that is ready to be shipped: the memory that it holds, in bytes, and what ships it."""

    size: int
    ship: Callable[[], None]


class FileDelivery:
    """Delivers the selections of log files. Used by all workers at once."""

    def __init__(
        self, outlets: Sequence[Outlet], delivery: Delivery, delivered: DeliveredIds | None, telemetry: Telemetry
    ) -> None:
        """`delivered` remembers eventIDs where repetitions are looked for."""
        self._outlets = outlets
        self._delivery = delivery
        self._delivered = delivered
        self._accepted = AcceptedParcels()
        self._telemetry = telemetry

    def pack(self, origin: Origin, selection: Selection, on_done: OnDone) -> Packed:
        """Do what needs computing. `on_done` is called when all is delivered or something has failed."""
        packed, unformattable = pack(selection, origin, self._outlets)
        parcels, accepted_before = self._accepted.take_out(origin, packed)
        lost = [*selection.broken, *unformattable]

        def finish(shipment: Shipment) -> None:
            def report(failed: str | None) -> None:
                if failed is not None:
                    self._accepted.remember(origin, [*accepted_before, *shipment.accepted])
                on_done(failed)

            self._settle(origin, selection, [*lost, *shipment.rejected], shipment, report)

        texts = {id(text): len(text) for text in (selection.payload, *(one.batch.payload for one in parcels))}
        return Packed(
            sum(texts.values()),
            lambda: self._delivery.ship(parcels, self._guard(finish, on_done)),
        )

    def flush(self) -> None:
        """Send what waits for more."""
        self._delivery.flush()

    def refuse_file(self, origin: Origin, reason: DeadLetterReason, error: Exception, on_done: OnDone) -> None:
        """Tell the dead-letter sink about a file, or leave its message to the queue's redrive policy."""
        if not self._delivery.has_dead_letter_sink:
            self._telemetry.file_failed(origin.key, reason.value, error)
            on_done("rejected")
            return

        def finish(shipment: Shipment) -> None:
            failure = _find_failure(shipment, shipment.rejected)
            if failure is not None:
                self._telemetry.file_failed(origin.key, "sink", failure)
                on_done("sink")
                return
            self._telemetry.file_dead_lettered(origin.key, reason, error)
            on_done(None)

        self._delivery.ship_dead_letters([build_file_letter(origin, reason, str(error))], self._guard(finish, on_done))

    def _settle(
        self, origin: Origin, selection: Selection, lost: list[LostRecord], shipment: Shipment, on_done: OnDone
    ) -> None:
        """Go on when all sinks have answered: dead letters come last, when nothing else can fail."""
        rejected = [] if self._delivery.has_dead_letter_sink else shipment.rejected
        failure = _find_failure(shipment, rejected)
        if failure is None and lost:

            def finish(answered: Shipment) -> None:
                self._conclude(origin, selection, lost, _find_failure(answered, answered.rejected), on_done)

            letters = [build_record_letter(origin, one) for one in lost]
            self._delivery.ship_dead_letters(letters, self._guard(finish, on_done))
        else:
            self._conclude(origin, selection, lost, failure, on_done)

    def _guard(self, finish: Callable[[Shipment], None], on_done: OnDone) -> Callable[[Shipment], None]:
        """Make sure that something is reported: a message that nobody reports on would never come back."""

        def finish_or_fail(shipment: Shipment) -> None:
            try:
                finish(shipment)
            except Exception as error:  # noqa: BLE001  (the boundary of what a sender does for others)
                self._telemetry.crashed("delivery", error)
                on_done("internal")

        return finish_or_fail

    def _conclude(
        self, origin: Origin, selection: Selection, lost: list[LostRecord], failure: SinkError | None, on_done: OnDone
    ) -> None:
        if failure is not None:
            failed = selection.kept - selection.unrouted + len(selection.broken)
            self._telemetry.records_not_delivered(failed)
            if failure.code == EVENT_REJECTED:
                self._telemetry.sink_failed(failure, failed)
            self._telemetry.file_failed(origin.key, "sink", failure)
            on_done("sink")
            return
        if self._delivered is not None:
            self._delivered.note(selection.event_ids)
        self._telemetry.delivered(selection, lost)
        for one in lost:
            self._telemetry.record_dead_lettered(origin.key, one)
        on_done(None)


def _find_failure(shipment: Shipment, rejected: Sequence[LostRecord]) -> SinkError | None:
    """Return why a shipment is not done: what was rejected counts as failed where no dead-letter sink takes it."""
    if shipment.failure is not None or not rejected:
        return shipment.failure
    first = rejected[0]
    message = f"it rejects {len(rejected)} events, and no deadLetterSink takes them; the first: {first.error}"
    return SinkError(first.sink or "", Reason.SINK_REJECTED, EVENT_REJECTED, message)
