"""The bench server's queue counts as SQS does: what is visible, in flight, deleted, and which receipts are valid."""

from bench.queue_model import QueueModel


def test_every_message_is_received_once_while_its_lease_lasts() -> None:
    queue = QueueModel(25, visibility_timeout=30)
    numbers = [delivery.number for _ in range(4) for delivery in queue.receive(10, now=0)]
    assert numbers == list(range(25))
    assert (queue.visible, queue.in_flight, queue.received_again) == (0, 25, 0)


def test_message_that_is_not_deleted_in_time_comes_back_with_another_receipt() -> None:
    queue = QueueModel(1, visibility_timeout=30)
    (first,) = queue.receive(10, now=0)
    assert queue.receive(10, now=29) == []
    (second,) = queue.receive(10, now=30)
    assert (second.number, second.receive_count) == (first.number, 2)
    assert not queue.delete(first.receipt)
    assert queue.delete(second.receipt)
    assert (queue.deleted, queue.in_flight, queue.visible, queue.received_again) == (1, 0, 0, 1)


def test_extended_message_stays_invisible_until_the_new_end() -> None:
    queue = QueueModel(1, visibility_timeout=30)
    (delivery,) = queue.receive(1, now=0)
    assert queue.change_visibility(delivery.receipt, 60, now=20)
    assert queue.receive(1, now=79) == []
    assert len(queue.receive(1, now=80)) == 1


def test_released_message_is_visible_at_once_and_its_receipt_is_void() -> None:
    queue = QueueModel(2, visibility_timeout=30)
    first, second = queue.receive(2, now=0)
    assert queue.change_visibility(first.receipt, 0, now=1)
    assert (queue.visible, queue.in_flight) == (1, 1)
    assert not queue.change_visibility(first.receipt, 30, now=1)
    assert [delivery.number for delivery in queue.receive(10, now=1)] == [first.number]
    assert queue.delete(second.receipt)


def test_receipt_deletes_once() -> None:
    queue = QueueModel(1, visibility_timeout=30)
    (delivery,) = queue.receive(1, now=0)
    assert queue.delete(delivery.receipt)
    assert not queue.delete(delivery.receipt)
    assert queue.deleted == 1
