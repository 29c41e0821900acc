"""The store: by source, never back in time."""

from typing import Any

from cloudtrail_operator.core.kinds import BACKFILLS, Kind
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.reconcile.store import Store

KEY = SourceKey("ns", "trail")


def _child(version: int, uid: str = "u1", name: str = "trail-collector", namespace: str = "ns") -> dict[str, Any]:
    labels = {"cloudtrail-operator.io/source": "trail"}
    metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata | {"managedFields": ["large"]}}


def test_older_version_is_no_news() -> None:
    store = Store()
    assert store.put(Kind.SERVICE, _child(10))
    assert not store.put(Kind.SERVICE, _child(9))
    assert not store.put(Kind.SERVICE, _child(10))
    assert store.put(Kind.SERVICE, _child(100))
    (kept,) = store.children(KEY)
    assert kept["metadata"]["resourceVersion"] == "100"
    assert "managedFields" not in kept["metadata"]


def test_late_news_of_a_deletion_does_not_remove_the_successor() -> None:
    store = Store()
    store.put(Kind.SERVICE, _child(10, "u1"))
    store.put(Kind.SERVICE, _child(12, "u2"))
    store.remove(Kind.SERVICE, _child(11, "u1"))
    assert len(store.children(KEY)) == 1
    store.remove(Kind.SERVICE, _child(13, "u2"))
    assert store.children(KEY) == []


def _uids(manifests: list[dict[str, Any]]) -> list[str]:
    return sorted(item["metadata"]["uid"] for item in manifests)


def test_what_a_list_does_not_have_is_gone_in_its_namespace_only() -> None:
    store = Store()
    store.put(Kind.POD, _child(1, "gone", "p1"))
    store.put(Kind.POD, _child(2, "kept", "p2"))
    store.put(Kind.POD, _child(3, "elsewhere", "p3", "other"))
    assert _uids(store.retain(Kind.POD, "ns", ["kept"], version=9)) == ["gone"]
    assert _uids(store.pods(KEY)) == ["kept"]
    assert _uids(store.pods(SourceKey("other", "trail"))) == ["elsewhere"]


def test_what_was_learnt_after_a_list_was_made_is_not_gone() -> None:
    store = Store()
    store.put(Kind.SERVICE, _child(10, "new"))
    assert store.retain(Kind.SERVICE, None, [], version=9) == []
    assert _uids(store.retain(Kind.SERVICE, None, [], version=None)) == ["new"]


def test_versions_of_children_tell_of_every_change() -> None:
    store = Store()
    seen = {store.child_versions(KEY)}
    for change in (_child(1), _child(2), _child(3, "u2"), _child(4, "u3", "other")):
        store.put(Kind.SERVICE, change)
        seen.add(store.child_versions(KEY))
    store.remove(Kind.SERVICE, _child(5, "u3", "other"))
    assert len(seen) == 5
    assert store.child_versions(KEY) in seen


def test_resource_without_a_source_is_ignored() -> None:
    store = Store()
    stranger = _child(1)
    del stranger["metadata"]["labels"]
    assert not store.put(Kind.SERVICE, stranger)


def test_stores_of_sources_and_of_backfills_keep_what_is_their_own() -> None:
    """Each is told everything; labels that a person put on a resource of ours make it nobody's child."""
    sources, backfills = Store(), Store(BACKFILLS)
    labels = {"cloudtrail-operator.io/source": "a", "cloudtrail-operator.io/backfill": "a"}
    metadata = {"namespace": "team", "name": "a", "uid": "1", "resourceVersion": "1", "labels": labels}
    source, backfill = {"metadata": metadata, "spec": {}}, {"metadata": metadata, "spec": {}}
    note = {"kind": "ConfigMap", "metadata": metadata | {"labels": {"cloudtrail-operator.io/backfill": "a"}}}
    known = {
        (kind, store.family.owner): store.put(kind, manifest)
        for store in (sources, backfills)
        for kind, manifest in ((Kind.SOURCE, source), (Kind.BACKFILL, backfill), (Kind.CONFIG_MAP, note))
    }
    assert {pair for pair, is_news in known.items() if is_news} == {
        (Kind.SOURCE, Kind.SOURCE),
        (Kind.BACKFILL, Kind.BACKFILL),
        (Kind.CONFIG_MAP, Kind.BACKFILL),
    }
