"""What collectors report of digest files, on the source: the condition and its events."""

from datetime import UTC, datetime, timedelta
from typing import Any

from support.pods import CollectorStub, build_report, wait_until
from support.site import Site


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def _tell(site: Site, stub: CollectorStub, **integrity: Any) -> None:
    stub.report = build_report(
        site.config_hash(), integrity={"mode": "Report", "lastDigestAt": _ago(minutes=5)} | integrity
    )


def _build_problem(message: str) -> dict[str, str]:
    return {"time": _ago(minutes=1), "reason": "IntegrityBroken", "message": message}


def test_each_find_is_a_condition_and_an_event_while_the_source_stays_ready(site: Site, stub: CollectorStub) -> None:
    site.apply(integrity={"mode": "Report"})
    site.wait_children()
    site.run_collector(stub, integrity={"mode": "Report", "lastDigestAt": _ago(minutes=5)})
    site.wait_condition("Ready", "True", "Testing")
    site.wait_condition("IntegrityVerified", "True", "Succeeded")
    since = site.condition("Ready")["lastTransitionTime"]
    _tell(site, stub, problem=_build_problem("log_altered: s3://trail/a"))
    assert "s3://trail/a" in site.wait_condition("IntegrityVerified", "False", "IntegrityBroken")["message"]
    _tell(site, stub, lastDigestAt=None, unconfirmedSince=_ago(hours=4))
    site.wait_condition("IntegrityVerified", "False", "DigestsMissing")
    _tell(site, stub)
    site.wait_condition("IntegrityVerified", "True", "Succeeded")
    assert site.condition("Ready")["lastTransitionTime"] == since

    def list_told() -> set[str]:
        return set(site.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}").split())

    wait_until(lambda: {"IntegrityBroken", "DigestsMissing", "IntegrityVerifiedAgain"} <= list_told(), "all is told")
    site.apply()
    wait_until(lambda: site.condition("IntegrityVerified")["status"] == "absent", "the condition is gone")
