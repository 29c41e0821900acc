"""Looks at a backfill, one after the other, against an API server that keeps what it is given."""

import asyncio
from typing import Any

import pytest

from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.core.allow_list import AllowRule
from cloudtrail_operator.core.kinds import BACKFILLS, Kind
from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.core.notices import Notice
from cloudtrail_operator.core.source import Owner, SourceKey
from cloudtrail_operator.errors import ClusterError, OccupiedError
from cloudtrail_operator.reconcile.backfills import BackfillReconciler
from cloudtrail_operator.reconcile.reconciler import Outside, Policy
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.report import CollectorReport
from support.backfill_states import CREATED, DEFAULTS, START, UID, make_end
from support.backfills import build_backfill
from support.sources import build_source

KEY = SourceKey("default", "last-week")
JOB = ("Job", "last-week-backfill")
Place = tuple[str, str]


class Site:
    """A backfill, its source and an API server; what it holds is told to the store at once."""

    def __init__(self, policy: Policy | None = None, **changes: Any) -> None:
        self.store, self.sources = Store(BACKFILLS), Store()
        self.kept: dict[Place, Manifest] = {}
        self.writes: list[str] = []
        self.noticed: list[str] = []
        self._version = 1
        self.backfill = build_backfill(**{"shares": 1, "parallelism": 1} | changes)
        self.backfill["metadata"] |= {"uid": UID, "generation": 1, "creationTimestamp": f"{CREATED:%Y-%m-%dT%H:%M:%SZ}"}
        self.tell(self.backfill)
        outside = Outside(self, self, self, SystemClock())
        self.reconciler = BackfillReconciler(self.store, self.sources, outside, policy or Policy(DEFAULTS))

    def tell(self, manifest: Manifest) -> None:
        """Let the store know of a resource as it is now."""
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        self.store.put(Kind.of(manifest["kind"]), manifest)

    def edit(self, **changes: Any) -> None:
        """Edit the spec as a user does."""
        self.backfill["spec"] = self.backfill["spec"] | changes
        self.backfill["metadata"]["generation"] += 1
        self.tell(self.backfill)

    def add_source(self) -> None:
        source = build_source()
        source["metadata"] |= {"uid": "s", "generation": 1, "resourceVersion": "1"}
        self.sources.put(Kind.SOURCE, source)

    def remove_source(self) -> None:
        self.sources.remove(
            Kind.SOURCE, build_source() | {"metadata": {"name": "org-trail", "namespace": "default", "uid": "s"}}
        )

    def forget(self, place: Place) -> None:
        """Let a resource vanish, and the store know it."""
        manifest = self.kept.pop(place)
        self.store.remove(Kind.of(place[0]), manifest)

    def look(self) -> float | None:
        return asyncio.run(self.reconciler.reconcile(KEY))

    def note(self, **note: Any) -> None:
        """Write a note as the worker of the only share does."""
        place = ("ConfigMap", "last-week-progress-0")
        self.kept[place]["data"] = {"progress": make_end(0, **note).model_dump_json(by_alias=True)}
        self.tell(self.kept[place])

    def finish_job(self) -> None:
        condition = {"type": "Complete", "status": "True", "lastTransitionTime": f"{START:%Y-%m-%dT%H:%M:%SZ}"}
        self.kept[JOB]["status"] = {"succeeded": 1, "completedIndexes": "0", "conditions": [condition]}
        self.tell(self.kept[JOB])

    @property
    def conditions(self) -> dict[str, str]:
        return {item["type"]: f"{item['status']} {item['reason']}" for item in self.backfill["status"]["conditions"]}

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        if kind is Kind.BACKFILL:
            return self.backfill
        return self.kept.get((kind.value.kind, name))

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        place = manifest["kind"], manifest["metadata"]["name"]
        self.writes.append(f"apply {place[0]} {place[1]} {manager.removeprefix('cloudtrail-')}")
        known = self.kept.get(place, {})
        metadata = known.get("metadata", {"uid": f"{place}"}) | manifest["metadata"]
        spec = {"spec": known.get("spec", {}) | manifest["spec"]} if "spec" in manifest else {}
        self.kept[place] = known | manifest | {"metadata": metadata} | spec
        self.tell(self.kept[place])
        return self.kept[place]

    async def apply_status(self, manifest: Manifest) -> Manifest:
        self.writes.append("status")
        self.backfill["status"] = manifest["status"]
        self.tell(self.backfill)
        return self.backfill

    async def delete(self, manifest: Manifest) -> None:
        place = manifest["kind"], manifest["metadata"]["name"]
        self.writes.append(f"delete {place[0]} {place[1]}")
        self.forget(place)

    async def fetch(self, address: str) -> CollectorReport | None:
        raise AssertionError(address)

    async def record(self, owner: Owner, notice: Notice) -> None:
        assert owner.kind == "CloudTrailBackfill"
        self.noticed.append(notice.reason)


def _running(**changes: Any) -> Site:
    """Build a site whose Job has been made."""
    site = Site(**changes)
    site.add_source()
    site.look()
    assert JOB in site.kept
    site.writes.clear()
    return site


def test_job_is_made_last_and_suspended_and_then_let_go() -> None:
    site = Site()
    site.add_source()
    site.look()
    task = next(name for kind, name in site.kept if kind == "ConfigMap" and "progress" not in name)
    assert site.writes == [
        "apply ConfigMap last-week-progress-0 operator",
        "apply Role last-week-backfill operator",
        "apply RoleBinding last-week-backfill operator",
        f"apply ConfigMap {task} operator",
        "apply Job last-week-backfill operator",
        "apply Job last-week-backfill operator-control",
        "status",
    ]
    assert site.kept[JOB]["spec"]["suspend"] is False
    assert site.backfill["status"]["interval"] == {"since": "2026-03-15T12:00:00Z", "until": "2026-03-18T12:00:00Z"}
    assert site.conditions["Ready"] == "False Starting"


def test_unchanged_backfill_makes_no_writes() -> None:
    site = _running()
    assert site.look() == pytest.approx(2.0)
    assert site.writes == []


def test_source_that_comes_later_is_waited_for() -> None:
    site = Site()
    assert site.look() == pytest.approx(15.0)
    assert site.writes == ["status"]
    assert site.conditions["Ready"] == "False SourceNotFound"
    assert site.kept == {}
    site.add_source()
    site.look()
    assert JOB in site.kept


def test_source_that_goes_stops_nothing_and_edits_still_arrive() -> None:
    site = _running()
    site.remove_source()
    site.edit(suspend=True)
    site.look()
    assert site.kept[JOB]["spec"]["suspend"] is True
    assert site.conditions["Ready"] == "False SourceNotFound"
    assert not [write for write in site.writes if write.startswith("delete")]
    site.note()
    site.finish_job()
    site.look()
    assert site.conditions["Complete"] == "True Completed"


def test_changed_source_and_upgraded_operator_leave_the_job_alone() -> None:
    site = _running()
    source = build_source(prefix="other/")
    source["metadata"] |= {"uid": "s", "generation": 2, "resourceVersion": "2"}
    site.sources.put(Kind.SOURCE, source)
    site.look()
    assert site.writes == []


@pytest.mark.parametrize(
    ("change", "path"), [({"parallelism": 2, "shares": 2}, "parallelism"), ({"suspend": True}, "suspend")]
)
def test_what_may_change_reaches_the_job_without_its_template(change: Manifest, path: str) -> None:
    site = _running(shares=2)
    site.edit(**change)
    site.look()
    assert site.writes == ["apply Job last-week-backfill operator-control", "status"]
    assert site.kept[JOB]["spec"][path] == change[path]
    assert "template" in site.kept[JOB]["spec"]


def test_other_changes_are_told_and_not_followed() -> None:
    """The API server refuses them; an older CRD, or one without rules, does not."""
    site = _running()
    site.edit(interval="9d")
    site.look()
    assert site.conditions["Stalled"] == "True SpecChanged"
    assert site.writes == ["status"]


def test_job_that_lost_its_task_is_made_anew_and_notes_stay() -> None:
    site = _running()
    site.note()
    (task,) = [place for place in site.kept if place[0] == "ConfigMap" and "progress" not in place[1]]
    site.forget(task)
    with pytest.raises(ClusterError, match="the Job is made anew"):
        site.look()
    assert JOB not in site.kept
    site.look()
    assert {JOB, task} <= site.kept.keys()
    assert "data" in site.kept["ConfigMap", "last-week-progress-0"]


def test_barred_backfill_has_no_workload() -> None:
    rule = AllowRule.model_validate({"name": "r", "namespaces": ["*"], "buckets": ["other"]})
    site = Site(policy=Policy(DEFAULTS, allow_list=(rule,)))
    site.add_source()
    site.look()
    assert site.kept == {}
    assert site.conditions["Stalled"] == "True NotAllowed"


def test_backfill_that_becomes_barred_stops() -> None:
    site = _running()
    rule = AllowRule.model_validate({"name": "r", "namespaces": ["*"], "buckets": ["other"]})
    strict = Policy(DEFAULTS, allow_list=(rule,))
    outside = Outside(site, site, site, SystemClock())
    site.reconciler = BackfillReconciler(site.store, site.sources, outside, strict)
    site.look()
    assert site.kept == {}


def test_notes_of_somebody_else_are_neither_taken_nor_given_away() -> None:
    """A Role on a ConfigMap that belongs to others would let the workers write to it."""
    site = Site()
    site.add_source()
    site.kept["ConfigMap", "last-week-progress-0"] = {"kind": "ConfigMap", "metadata": {"name": "x", "uid": "other"}}
    with pytest.raises(OccupiedError, match="does not belong to this backfill"):
        site.look()
    assert [place for place in site.kept if place[0] in ("Role", "Job")] == []
    assert site.conditions["Ready"] == "False ReconcileFailed"


def test_time_to_live_begins_when_the_end_is_on_record_and_nothing_is_begun_again() -> None:
    site = _running(ttlSecondsAfterFinished=60)
    site.note(events={"read": 5, "emitted": 5})
    site.finish_job()
    site.look()
    assert site.conditions["Complete"] == "True Completed"
    assert "ttlSecondsAfterFinished" not in site.kept[JOB]["spec"]
    assert site.noticed == ["Completed"]
    site.look()
    assert site.kept[JOB]["spec"]["ttlSecondsAfterFinished"] == 60
    site.forget(JOB)
    site.look()
    assert site.kept == {}
    site.writes.clear()
    assert site.look() is None
    assert site.writes == []
    assert site.conditions["Complete"] == "True Completed"
    assert site.backfill["status"]["events"]["emitted"] == 5


def test_interval_that_ends_before_it_begins_is_told() -> None:
    site = Site(interval="2d-5d")
    site.add_source()
    assert site.look() is None
    assert site.conditions["Stalled"] == "True InvalidSpec"
    assert "it ends" in site.backfill["status"]["conditions"][0]["message"]
