"""Finished messages: when they are deleted, with whom, and what becomes of those that are not."""

from collections.abc import Sequence

from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.deletion import Deleter
from cloudtrail_collector.pipeline.ledger import Bounds, Ledger
from cloudtrail_collector.ports import Message
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.pipeline import Mode
from support.pods import wait_until


def _fail(kind: type[AwsError] = AwsError) -> AwsError:
    return kind(action="sqs:DeleteMessage", code="X", resource="queue", reason=Reason.AWS_ERROR, message="no")


FINISHED_LIMIT = 100


class FakeQueue:
    """Notes what is deleted; `refused` says what becomes of the next request for a receipt, `broken` of all requests."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.refused: dict[str, AwsError] = {}
        self.broken = False

    def delete(self, receipt_handles: Sequence[str]) -> dict[str, AwsError]:
        self.requests.append(list(receipt_handles))
        if self.broken:
            raise _fail()
        return {handle: self.refused.pop(handle) for handle in receipt_handles if handle in self.refused}


class Bench:
    """A deleter with what it works on."""

    def __init__(self) -> None:
        self.queue = FakeQueue()
        self.metrics = Metrics(filters=[], sinks=[], matches=[])
        self.board = StatusBoard(mode=Mode.ACTIVE, config_hash="", no_objects_seconds=60)
        telemetry = Telemetry(self.metrics, self.board, None)
        self.ledger = Ledger(Bounds(at_once=10, in_work=100, on_way=100, finished=FINISHED_LIMIT), telemetry)
        self.deleter = Deleter(self.queue, self.ledger, telemetry)

    def finish(self, *names: str) -> None:
        """Let messages be received and delivered."""
        for name in names:
            message = self.receive(name)
            assert self.ledger.finish(name)
            self.deleter.submit(message)

    def receive(self, name: str, receipt: str | None = None) -> Message:
        """Let a message be received."""
        message = Message(name, receipt or f"r-{name}", "", 1, None)
        self.ledger.claim(message, timeout_seconds=30)
        return message

    def wait_until_deleted(self) -> None:
        """Wait until no message is left."""
        wait_until(lambda: not self.ledger.list_leases(), "every message to be deleted")

    def find_queue_check(self) -> ConditionStatus:
        """Find what /status says about the queue."""
        checks = self.board.build_report().checks
        return next(check.status for check in checks if check.type is ConditionType.QUEUE_REACHABLE)


def test_messages_are_deleted_ten_at_a_time_and_the_last_ones_do_not_wait_for_more() -> None:
    bench = Bench()
    bench.finish(*map(str, range(23)))
    bench.deleter.start()
    bench.wait_until_deleted()
    assert sorted(len(request) for request in bench.queue.requests) == [3, 10, 10]
    assert {receipt for request in bench.queue.requests for receipt in request} == {f"r-{n}" for n in range(23)}
    assert bench.board.build_report().messages.deleted == 23


def test_t11_what_is_refused_is_tried_again_and_keeps_its_lease_meanwhile() -> None:
    bench = Bench()
    bench.queue.refused = {"r-b": _fail()}
    bench.finish("a", "b", "c")
    bench.deleter.start()
    wait_until(lambda: len(bench.ledger.list_leases()) == 1, "the other two to be deleted")
    assert bench.ledger.list_leases()[0].message_id == "b"
    wait_until(lambda: bench.find_queue_check() is ConditionStatus.FALSE, "the check to say so")
    bench.wait_until_deleted()
    assert bench.queue.requests == [["r-a", "r-b", "r-c"], ["r-b"]]
    assert bench.metrics.lost._value.get() == 0


def test_a_request_that_fails_as_a_whole_is_made_again() -> None:
    bench = Bench()
    bench.queue.broken = True
    bench.finish("a", "b")
    bench.deleter.start()
    wait_until(lambda: bench.queue.requests, "the first request")
    bench.queue.broken = False
    bench.wait_until_deleted()
    assert bench.board.build_report().messages.deleted == 2


def test_t22_a_lost_receipt_is_given_up() -> None:
    bench = Bench()
    bench.queue.refused = {"r-a": _fail(ReceiptLostError)}
    bench.finish("a", "b")
    bench.deleter.start()
    bench.wait_until_deleted()
    assert bench.queue.requests == [["r-a", "r-b"]]
    assert bench.metrics.lost._value.get() == 1
    assert bench.board.build_report().messages.deleted == 1


def test_a_message_that_came_again_is_deleted_by_its_newest_receipt() -> None:
    bench = Bench()
    bench.finish("a")
    assert not bench.ledger.claim(Message("a", "newer", "", 2, None), timeout_seconds=30)
    bench.deleter.start()
    bench.wait_until_deleted()
    assert bench.queue.requests == [["newer"]]


def test_at_the_end_nothing_waits_for_others_nor_for_its_pause() -> None:
    bench = Bench()
    bench.queue.broken = True
    bench.finish(*map(str, range(10)))
    bench.deleter.start()
    wait_until(lambda: len(bench.queue.requests) == 4, "the fourth failure, and a pause of eight seconds", 20)
    bench.queue.broken = False
    bench.deleter.hurry()
    wait_until(lambda: not bench.ledger.list_leases(), "every message to be deleted", 4)


def test_what_is_finished_is_not_given_back() -> None:
    bench = Bench()
    bench.finish("done")
    bench.receive("in work")
    assert [lease.message_id for lease in bench.ledger.settle_unfinished()] == ["in work"]
    assert bench.ledger.count_finished() == 1
    assert not bench.ledger.wait_until_idle(0)


def test_nothing_is_received_while_too_many_wait_to_be_deleted() -> None:
    bench = Bench()
    bench.finish(*map(str, range(FINISHED_LIMIT - 1)))
    assert bench.ledger.reserve(0) == 10
    bench.ledger.release(10)
    bench.finish("one more")
    assert bench.ledger.reserve(0) == 0
    bench.deleter.start()
    assert bench.ledger.reserve(20) == 10


def test_mode_test_never_receives_more_than_its_bound() -> None:
    bench = Bench()
    ledger = Ledger(
        Bounds(at_once=10, in_work=100, on_way=100, finished=1, in_all=25), Telemetry(bench.metrics, bench.board, None)
    )
    rooms = [ledger.reserve(0) for _ in range(4)]
    assert rooms == [10, 10, 5, 0]
    for name in range(22):
        ledger.claim(Message(str(name), f"r-{name}", "", 1, None), timeout_seconds=30)
        ledger.hold(str(name))
    for room in rooms:
        ledger.release(room)
    assert ledger.reserve(0) == 3
