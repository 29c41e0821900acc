"""What a refusal means, when to try again, and when a watch counts as dead."""

from datetime import UTC, datetime

import pytest

from cloudtrail_operator.core.backoff import LONGEST_SECONDS
from cloudtrail_operator.core.refusals import is_rejection
from cloudtrail_operator.errors import ClusterError, UnreachableError, WorkloadRejectedError
from cloudtrail_operator.handlers.heartbeats import SILENCE_SECONDS, Heartbeats
from cloudtrail_operator.handlers.startup import EndlessBackoffs
from cloudtrail_operator.reconcile.engine import choose_delay

NO_PERMISSION = (
    'deployments.apps "x" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "deployments" in API group'
    ' "apps" in the namespace "c"'
)


@pytest.mark.parametrize(
    ("status", "message", "rejected"),
    [
        (200, "", False),
        (422, 'Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1', True),
        (400, 'strict decoding error: unknown field "spec.x"', True),
        (403, 'deployments.apps "x" is forbidden: exceeded quota: q, requested: count/deployments.apps=1', True),
        (403, 'admission webhook "policy.example.com" denied the request: no images of others', True),
        (409, 'admission webhook "policy.example.com" denied the request: not now', True),
        (403, NO_PERMISSION, False),
        (403, "unable to create new content in namespace c because it is being terminated", False),
        (404, 'namespaces "c" not found', False),
        (409, "the object has been modified", False),
        (500, 'failed calling webhook "policy.example.com": connection refused', False),
    ],
)
def test_rejection_is_what_waiting_does_not_cure(status: int, message: str, rejected: bool) -> None:
    """T-62."""
    assert is_rejection(status, message) is rejected


def test_retries_wait_for_what_helps() -> None:
    assert choose_delay(ClusterError("no"), 20, 0.0) == LONGEST_SECONDS
    assert choose_delay(UnreachableError("away"), 20, 0.0) == 15.0
    assert choose_delay(UnreachableError("later", retry_after=40.0), 1, 0.0) == 40.0
    assert choose_delay(WorkloadRejectedError("no"), 1, 0.0) >= LONGEST_SECONDS


def test_delays_of_watches_never_run_out() -> None:
    """KO-12: kopf ends the process after the last one."""
    delays = iter(EndlessBackoffs())
    assert [next(delays) for _ in range(1000)][-1] == 8.0


class HandClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


def test_watch_is_silent_only_while_the_server_answers_others() -> None:
    """T-61: an API server that is away for an hour is no reason to restart; a stream that died while it is there is."""
    clock = HandClock()
    heartbeats = Heartbeats(clock)
    heartbeats.expect(["/api/v1/pods", "/api/v1/services"])
    clock.seconds = SILENCE_SECONDS - 1
    heartbeats.hear("/api/v1/pods")
    clock.seconds = 3600.0
    assert heartbeats.find_silent(answered_at=None) == []
    assert heartbeats.find_silent(answered_at=SILENCE_SECONDS) == []
    assert heartbeats.find_silent(answered_at=SILENCE_SECONDS + 1) == ["/api/v1/services"]
    heartbeats.hear("/api/v1/services")
    assert heartbeats.find_silent(answered_at=3600.0) == ["/api/v1/pods"]
    heartbeats.expect(["/api/v1/pods"])
    assert heartbeats.find_silent(answered_at=3600.0) == []
