"""Gives messages back to the queue, ten in a request, requests in parallel."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.ports import MessageQueue, VisibilityChange
from cloudtrail_collector.telemetry import Telemetry

REQUEST_SIZE = 10
PARALLEL_REQUESTS = 8


def return_messages(
    queue: MessageQueue, telemetry: Telemetry, leases: Sequence[Lease], *, reason: str, delay: int
) -> None:
    """Make messages visible after `delay` seconds. What cannot be returned becomes visible when its timeout ends."""

    def return_some(some: Sequence[Lease]) -> None:
        try:
            refused = queue.change_visibility([VisibilityChange(lease.receipt_handle, delay) for lease in some])
        except AwsError as failure:
            telemetry.return_failed(failure)
            return
        for lease in some:
            refusal = refused.get(lease.receipt_handle)
            if refusal is None:
                telemetry.returned(lease.message_id, reason, delay)
            elif not isinstance(refusal, ReceiptLostError):
                telemetry.return_failed(refusal)

    if len(leases) <= REQUEST_SIZE:
        if leases:
            return_some(leases)
        return
    with ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="return") as pool:
        list(pool.map(return_some, build_requests(leases)))


def build_requests(leases: Sequence[Lease]) -> list[Sequence[Lease]]:
    """Group leases by what fits into one request."""
    return [leases[start : start + REQUEST_SIZE] for start in range(0, len(leases), REQUEST_SIZE)]
