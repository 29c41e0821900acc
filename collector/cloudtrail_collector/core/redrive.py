"""Turns the queue's redrive policy into whether messages may be received and given back without harm."""

from cloudtrail_spec.conditions import ConditionStatus, Reason
from cloudtrail_spec.report import QueueFigures

# A rollout gives held messages back, and each receive counts: fewer would move live data away.
LEAST_RECEIVES = 5


def judge_redrive(queue: QueueFigures | None) -> tuple[ConditionStatus, Reason, str]:
    """Say status, reason and message of the condition."""
    if queue is None:
        return ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, "The queue's attributes have not been read yet."
    if queue.dead_letter_queue_arn is None:
        message = "The queue has no dead-letter queue: a message that always fails comes back until its retention ends."
        return ConditionStatus.FALSE, Reason.NO_DEAD_LETTER_QUEUE, message
    if (queue.max_receive_count or LEAST_RECEIVES) < LEAST_RECEIVES:
        message = (
            f"The queue moves messages to its dead-letter queue after {queue.max_receive_count} receives, and every"
            f" restart of a test counts as one: set maxReceiveCount to {LEAST_RECEIVES} or more."
        )
        return ConditionStatus.FALSE, Reason.LOW_MAX_RECEIVE_COUNT, message
    message = f"Messages that failed {queue.max_receive_count} times go to a dead-letter queue."
    return ConditionStatus.TRUE, Reason.SUCCEEDED, message
