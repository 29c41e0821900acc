"""What a Pod's JSON says about a collector."""

from typing import Any

import pytest

from cloudtrail_operator.core.pods import parse_pod


def _pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    statuses = [] if container is None else [{"name": "collector", "ready": False, "restartCount": 0} | container]
    return {"metadata": {"name": "p", "uid": "u"}, "status": {"containerStatuses": statuses} | status}


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "ImagePullBackOff", "ErrImagePull"])
def test_container_that_cannot_start_is_trouble(reason: str) -> None:
    pod = parse_pod(_pod({"state": {"waiting": {"reason": reason, "message": "why"}}}))
    assert pod.trouble == f"{reason}: why"


def test_container_that_is_being_created_is_no_trouble() -> None:
    assert parse_pod(_pod({"state": {"waiting": {"reason": "ContainerCreating"}}})).trouble is None
    assert parse_pod(_pod()).trouble is None


def test_crash_is_told_by_its_last_words() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "last line\n"}}
    container = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5s"}}, "lastState": ended}
    assert parse_pod(_pod(container)).trouble == "CrashLoopBackOff: exit code 137 (OOMKilled): last line"


def test_crash_loop_is_trouble_also_while_the_container_runs_for_a_moment() -> None:
    again = {"restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}
    assert parse_pod(_pod(again)).trouble == "CrashLoopBackOff: exit code 1"
    assert parse_pod(_pod(again | {"ready": True})).trouble is None


def test_unschedulable_pod_is_trouble() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert parse_pod(_pod(conditions=[condition])).trouble == "Unschedulable: 0/3 nodes"


@pytest.mark.parametrize(
    ("ip", "address"), [("10.0.0.1", "http://10.0.0.1:8080"), ("fd00::1", "http://[fd00::1]:8080")]
)
def test_address_of_a_running_pod(ip: str, address: str) -> None:
    assert parse_pod(_pod({"state": {"running": {}}}, podIP=ip)).address == address


def test_pod_that_does_not_run_has_no_address() -> None:
    assert parse_pod(_pod({"state": {"waiting": {}}}, podIP="10.0.0.1")).address is None
