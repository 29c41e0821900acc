"""Invisibility is kept up for many messages on a queue with a short timeout, and what cannot be asked is not guessed."""

import time

from integration.collector_process import Start, wait_until
from integration.queues import announce, count_messages, set_visibility_timeout
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage

COUNT = 120


def test_many_messages_are_held_on_a_queue_of_three_seconds(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    set_visibility_timeout(aws, storage, 3)
    for _ in range(COUNT):
        announce(aws, storage, "CloudTrail validation message.")
    collector = start(mode="Test", test={"maxMessages": COUNT})
    wait_until(lambda: collector.read_status()["state"] == "Holding", "the bound to be reached", 60)
    since = time.monotonic()
    while time.monotonic() < since + 7:  # more than twice the timeout
        assert count_messages(aws, storage.queue_url) == (0, COUNT)
        time.sleep(0.3)
    assert collector.read_status()["messages"]["received"] == COUNT
    assert 'extensions_total{result="failed"} 0.0' in collector.get("/metrics")
    assert 'extensions_total{result="lost"} 0.0' in collector.get("/metrics")
    assert collector.stop() == 0
    assert count_messages(aws, storage.queue_url) == (COUNT, 0)
