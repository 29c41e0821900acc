"""The queue: no duplicates, nothing twice at work, later means later."""

import asyncio

from cloudtrail_operator.reconcile.work_queue import WorkQueue


class _Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def _is_idle(queue: WorkQueue[str]) -> bool:
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    idle = not taking.done()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    return idle


async def test_key_is_given_out_once_however_often_it_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue(_Time())
    for _ in range(3):
        queue.add("a")
    assert await queue.take() == "a"
    queue.done("a")
    assert await _is_idle(queue)


async def test_key_at_work_is_given_out_again_only_when_done() -> None:
    queue: WorkQueue[str] = WorkQueue(_Time())
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    assert await _is_idle(queue)
    queue.done("a")
    assert await queue.take() == "a"


async def test_earlier_request_counts() -> None:
    time = _Time()
    queue: WorkQueue[str] = WorkQueue(time)
    queue.add("a", 60)
    queue.add("a", 5)
    queue.add("a", 90)
    assert len(queue) == 0
    time.now = 5
    assert len(queue) == 1
    assert await queue.take() == "a"
    queue.done("a")
    time.now = 1000
    assert await _is_idle(queue)


async def test_keys_come_in_the_order_in_which_they_are_due() -> None:
    time = _Time()
    queue: WorkQueue[str] = WorkQueue(time)
    for key, delay in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
        queue.add(key, delay)
    time.now = 10
    assert [await queue.take() for _ in range(3)] == ["early", "middle", "late"]


async def test_waiting_taker_is_woken() -> None:
    queue: WorkQueue[str] = WorkQueue(_Time())
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(taking, 5) == "a"
