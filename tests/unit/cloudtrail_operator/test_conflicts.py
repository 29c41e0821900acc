"""Two sources on one queue."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_operator.core.conflicts import QueueUsers, evaluate_conflict, find_queue
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.reconcile.store import Store
from support.sources import QUEUE_ARN, build_source

LOOKED_AT = {"status": {"conditions": [{"type": "Ready", "reason": "RollingOut"}]}}
A, B, C = (SourceKey("team", name) for name in "abc")


@pytest.mark.parametrize(
    ("changes", "parts", "expected"),
    [
        ({}, {}, QUEUE_ARN),
        ({"mode": None}, {}, QUEUE_ARN),
        ({"mode": "Paused"}, {}, None),
        ({}, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, None),
        ({}, {"status": {"observedGeneration": -1}}, None),
        ({}, {"status": {"conditions": [{"type": "Stalled", "reason": "InvalidSpec"}]}}, QUEUE_ARN),
        ({}, {"status": {"conditions": [{"type": "Stalled", "reason": "NotAllowed"}]}}, None),
        ({"queueArn": None}, {}, None),
        ({"queueArn": 7}, {}, None),
    ],
    ids=str,
)
def test_live_source_uses_its_queue(changes: dict[str, Any], parts: dict[str, Any], expected: str | None) -> None:
    assert find_queue(build_source(**changes) | LOOKED_AT | parts) == expected


def test_whoever_is_concerned_is_told() -> None:
    users = QueueUsers()
    assert users.note(A, "q1") == frozenset()
    assert users.note(B, "q1") == {A, B}
    assert users.note(B, "q1") == frozenset()
    assert users.note(C, "q2") == frozenset()
    assert users.note(B, "q2") == {A, B, C}
    assert (users.peers(A), users.peers(B), users.peers(C)) == ((), (C,), (B,))
    assert users.note(C, None) == {B, C}
    assert users.peers(B) == users.peers(C) == ()


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.sampled_from(["q1", "q2", None])), max_size=30))
def test_users_are_those_who_said_so_last_and_everyone_hears_of_each_change(
    steps: list[tuple[SourceKey, str | None]],
) -> None:
    users, known = QueueUsers(), dict.fromkeys((A, B, C))
    for key, queue in steps:
        before = {other: users.peers(other) for other in known}
        told = users.note(key, queue)
        known[key] = queue
        for other in known:
            expected = tuple(x for x in known if x != other and known[x] == known[other] is not None)
            assert users.peers(other) == expected
            assert (users.peers(other) != before[other]) == (other in told)


def test_conflict_names_the_others_but_not_hundreds() -> None:
    assert evaluate_conflict((), paused=False).status == "False"
    found = evaluate_conflict((B, C), paused=False)
    assert (found.status, found.reason) == ("True", "SharedQueue")
    assert found.message.startswith("team/b, team/c use this queue too")
    many = evaluate_conflict([SourceKey("team", f"s{number}") for number in range(105)], paused=False)
    assert "and 100 more" in many.message
    assert evaluate_conflict((), paused=True).reason == "Paused"


def _manifest(name: str, version: int, **changes: Any) -> dict[str, Any]:
    manifest = build_source(name, **changes)
    manifest["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": str(version)}
    return manifest | LOOKED_AT


def test_store_tells_peers_of_changes_removals_and_lists() -> None:
    told: set[str] = set()
    store = Store()
    store.tell_peers(lambda key: told.add(key.name))
    store.put(Kind.SOURCE, _manifest("a", 1))
    assert told == set()
    store.put(Kind.SOURCE, _manifest("b", 2))
    assert (told, store.queue_peers(SourceKey("default", "a"))) == ({"a", "b"}, (SourceKey("default", "b"),))
    told.clear()
    store.put(Kind.SOURCE, _manifest("b", 3))
    assert told == set()
    store.remove(Kind.SOURCE, _manifest("b", 4))
    assert (told, store.queue_peers(SourceKey("default", "a"))) == ({"a", "b"}, ())
    store.put(Kind.SOURCE, _manifest("c", 5))
    told.clear()
    store.retain(Kind.SOURCE, None, ["uid-a"], version=9)
    assert (told, store.queue_peers(SourceKey("default", "a"))) == ({"a", "c"}, ())
