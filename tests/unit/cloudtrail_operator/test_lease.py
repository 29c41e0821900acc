"""Who may act, by what was seen of the lease and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudtrail_operator.core.lease import Lease, Sighting, Step, build_lease, claim, decide, parse_lease, see

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
THEIRS = Lease("other_1", 10.0, "2026-01-02T11:59:00.000000Z", 3, "2026-01-02T11:00:00.000000Z", "41")


@pytest.mark.parametrize(
    ("lease", "age", "held", "step"),
    [
        (None, 0, False, Step.TAKE),
        (None, 0, True, Step.TAKE),
        (replace(THEIRS, holder=""), 0, False, Step.TAKE),
        (THEIRS, 9.9, False, Step.WAIT),
        (THEIRS, 10, False, Step.TAKE),
        (replace(THEIRS, seconds=60.0), 30, False, Step.WAIT),
        (THEIRS, 0, True, Step.LOST),
        (THEIRS, 60, True, Step.LOST),
        (replace(THEIRS, holder="me"), 60, True, Step.RENEW),
        (replace(THEIRS, holder="me"), 0, False, Step.RENEW),
    ],
)
def test_step_by_holder_and_time_since_the_last_change(lease: Lease | None, age: float, held: bool, step: Step) -> None:
    sighting = None if lease is None else Sighting(lease, since=100.0)
    assert decide(sighting, "me", 100.0 + age, held=held) is step


def test_only_a_change_begins_a_new_term() -> None:
    """A clock of another machine that is wrong by years changes nothing: only whether renewTime changes counts."""
    first = see(None, replace(THEIRS, renewed="1999-01-01T00:00:00.000000Z"), 5.0)
    assert first is not None
    unchanged = see(first, replace(first.lease, version="42"), 9.0)
    assert unchanged is not None
    assert (unchanged.since, unchanged.lease.version) == (5.0, "42")
    renewed = see(unchanged, replace(first.lease, renewed="1999-01-01T00:00:02.000000Z"), 9.0)
    assert renewed is not None
    assert renewed.since == 9.0


def test_deleted_lease_holds_for_as_long_as_it_would_have() -> None:
    """Its holder finds out at its next renewal only; until then two would act."""
    deleted = see(Sighting(THEIRS, 5.0), None, 9.0)
    assert deleted == Sighting(replace(THEIRS, version=""), 5.0)
    assert decide(deleted, "me", 14.9, held=False) is Step.WAIT
    assert decide(deleted, "me", 15.0, held=False) is Step.TAKE
    assert decide(deleted, THEIRS.holder, 9.0, held=True) is Step.RENEW
    assert claim(deleted.lease, "me", NOON).version == ""
    assert see(None, None, 9.0) is None


def test_claim_takes_over_or_renews() -> None:
    taken = claim(THEIRS, "me", NOON)
    assert (taken.holder, taken.transitions, taken.version) == ("me", 4, "41")
    assert taken.acquired == taken.renewed == "2026-01-02T12:00:00.000000Z"
    again = claim(replace(taken, version="42"), "me", NOON + timedelta(seconds=2))
    assert (again.transitions, again.acquired, again.version) == (4, taken.acquired, "42")
    assert again.renewed == "2026-01-02T12:00:02.000000Z"
    assert claim(None, "me", NOON).version == ""


def test_manifest_and_lease_are_the_same() -> None:
    taken = claim(THEIRS, "me", NOON)
    manifest = build_lease("ns", "op", taken)
    assert manifest["metadata"] == {"name": "op", "namespace": "ns", "resourceVersion": "41"}
    assert parse_lease(manifest) == taken
    assert "resourceVersion" not in build_lease("ns", "op", claim(None, "me", NOON))["metadata"]


def test_lease_that_somebody_made_by_hand_is_free() -> None:
    lease = parse_lease({"metadata": {"resourceVersion": "1"}})
    assert decide(see(None, lease, 0.0), "me", 0.0, held=False) is Step.TAKE
    assert "acquireTime" not in build_lease("ns", "op", lease)["spec"]
