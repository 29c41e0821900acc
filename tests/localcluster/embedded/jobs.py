"""Jobs: a pod for each index or completion, again after failures within limits, until all are done; and the status.

Passes never overlap with requests, so that a pod is counted and released in one step: nothing waits to be counted, as it
may with the real controller.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from localcluster.embedded.errors import ApiError
from localcluster.embedded.job_failures import Verdict, is_failed, judge
from localcluster.embedded.job_status import JobState, condition_of, is_finished
from localcluster.embedded.jsontypes import Json, clone, dig, parse_timestamp
from localcluster.embedded.lifecycle import JOBS, PODS, DeleteOptions, Lifecycle, WriteOptions
from localcluster.embedded.names import generate_suffix
from localcluster.embedded.replicasets import controller_of, controller_reference, is_active, ready_since
from localcluster.embedded.resources import Registry
from localcluster.embedded.store import Store

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
BACK_OFF_SECONDS = 1.0
"""Before a pod is replaced that failed; it doubles. The real controller begins with ten seconds."""
MAX_BACK_OFF_SECONDS = 60.0
_OPTIONS = WriteOptions(manager="kube-controller-manager")


class JobController:
    """Called after Jobs or pods changed, and once a second for back-off, deadlines and time to live."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._pods = registry.builtin("pods")
        self._jobs = registry.builtin("jobs", "batch")

    def reconcile(self) -> None:
        """One pass over all Jobs."""
        jobs = self._store.list(JOBS)
        known = {job["metadata"]["uid"] for job in jobs if not job["metadata"].get("deletionTimestamp")}
        for pod in self._store.list(PODS):
            if TRACKING in (pod["metadata"].get("finalizers") or ()) and controller_of(pod) not in known:
                self._release(pod)
        for job in jobs:
            if job["metadata"]["uid"] in known:
                self._reconcile(job)

    def _reconcile(self, job: Json) -> None:
        state = JobState(job)
        was_finished = is_finished(job)
        for pod in self._pods_of(job):
            self._account(pod, state, counts=not was_finished)
        if was_finished:
            self._expire(job)
            return
        state.decide(datetime.now(UTC))
        pods = self._pods_of(job)
        if state.is_over or state.is_suspended:
            for pod in filter(is_active, pods):
                self._end(pod)
        else:
            self._fill(job, state, pods)
        self._report(job, state)

    def _pods_of(self, job: Json) -> list[Json]:
        namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]
        return [pod for pod in self._store.list(PODS, namespace) if controller_of(pod) == uid]

    # --- pods that end ---

    def _account(self, pod: Json, state: JobState, *, counts: bool) -> None:
        """Count a pod that has ended, once: what is counted is released."""
        if TRACKING not in (pod["metadata"].get("finalizers") or ()):
            return
        if dig(pod, "status", "phase") == "Succeeded":
            if counts:
                state.note_success(index_of(pod))
            self._release(pod)
        elif is_failed(pod, state.spec):
            if counts:
                verdict = judge(pod, state.spec)
                state.note_failure(pod, index_of(pod), index_failures_of(pod), verdict)
            self._release(pod)

    def _release(self, pod: Json) -> Json:
        freed = clone(pod)
        kept = [name for name in pod["metadata"]["finalizers"] if name != TRACKING]
        freed["metadata"]["finalizers"] = kept
        return self._lifecycle.update(self._pods, pod, freed, _OPTIONS)

    def _end(self, pod: Json) -> None:
        """Delete a pod that is no failure: it is released first, and counts for nothing."""
        if TRACKING in (pod["metadata"].get("finalizers") or ()):
            pod = self._release(pod)
        self._lifecycle.delete(self._pods, pod, DeleteOptions())

    def _expire(self, job: Json) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        ended = condition_of(job, "Complete") or condition_of(job, "Failed")
        if seconds is None or ended is None:
            return
        if datetime.now(UTC) >= parse_timestamp(ended["lastTransitionTime"]) + timedelta(seconds=seconds):
            self._lifecycle.delete(self._jobs, job, DeleteOptions(propagation="Foreground"))

    # --- pods that are wanted ---

    def _fill(self, job: Json, state: JobState, pods: list[Json]) -> None:
        """Create pods up to the parallelism, or delete what is over it."""
        active = [pod for pod in pods if is_active(pod)]
        surplus = len(active) - state.find_wanted(len(active))
        for pod in sorted(active, key=_deletion_order)[: max(surplus, 0)]:
            self._end(pod)
        if surplus >= 0:
            return
        waits = state.spec.get("podReplacementPolicy") == "Failed"
        terminating = [pod for pod in pods if pod["metadata"].get("deletionTimestamp") and not _has_ended(pod)]
        busy = [*active, *(terminating if waits else [])]
        room = -surplus - (len(terminating) if waits else 0)
        for index in state.find_free_indexes({index_of(pod) for pod in busy}, room):
            if self._may_create(state, pods, index):
                self._create_pod(job, index, self._count_index_failures(pods, index, state.spec))

    def _may_create(self, state: JobState, pods: list[Json], index: int | None) -> bool:
        """Whether the back-off after the last failure is over: of the index, where indexes have limits of their own."""
        has_own = "backoffLimitPerIndex" in state.spec
        failed = [
            pod
            for pod in pods
            if _has_failed(pod)
            and (not has_own or index_of(pod) == index)
            and judge(pod, state.spec) is not Verdict.IGNORED
        ]
        if not failed:
            return True
        pause = min(BACK_OFF_SECONDS * 2.0 ** (len(failed) - 1), MAX_BACK_OFF_SECONDS)
        return datetime.now(UTC) >= max(map(_ended_at, failed)) + timedelta(seconds=pause)

    def _count_index_failures(self, pods: list[Json], index: int | None, spec: Json) -> int:
        counts = [
            index_failures_of(pod) + (_has_failed(pod) and judge(pod, spec) is not Verdict.IGNORED)
            for pod in pods
            if index_of(pod) == index
        ]
        return max(counts, default=0)

    def _create_pod(self, job: Json, index: int | None, failures: int) -> None:
        pod = build_pod(job, index, failures)
        try:
            self._lifecycle.create(self._pods, job["metadata"]["namespace"], pod, _OPTIONS)
        except ApiError as error:
            if error.code not in (403, 409):
                raise

    # --- status ---

    def _report(self, job: Json, state: JobState) -> None:
        pods = self._pods_of(job)
        active = [pod for pod in pods if is_active(pod)]
        terminating = [pod for pod in pods if pod["metadata"].get("deletionTimestamp") and not _has_ended(pod)]
        status = state.build_status(
            active=len(active),
            ready=sum(ready_since(pod) is not None for pod in active),
            terminating=len(terminating),
        )
        if status != job.get("status"):
            reported = {**job, "metadata": clone(job["metadata"]), "status": status}
            self._lifecycle.update(self._jobs, job, reported, _OPTIONS, "status")


def build_pod(job: Json, index: int | None, failures: int) -> Json:
    """Build the pod of an index; without one, of a Job that is not Indexed."""
    template, metadata = clone(dig(job, "spec", "template") or {}), job["metadata"]
    inherited = {name: value for name, value in (template.get("metadata") or {}).items() if name != "name"}
    spec: Json = template.get("spec") or {}
    prefix = f"{metadata['name']}-"
    if index is not None:
        prefix = f"{prefix}{index}-"
        inherited.setdefault("labels", {})[INDEX] = str(index)
        inherited.setdefault("annotations", {})[INDEX] = str(index)
        if "backoffLimitPerIndex" in job["spec"]:
            inherited["annotations"][INDEX_FAILURES] = str(failures)
        spec.setdefault("hostname", f"{metadata['name']}-{index}")
        _tell_index(spec)
    return {
        "metadata": {
            **inherited,
            "generateName": prefix,
            "name": prefix + generate_suffix(),
            "finalizers": [TRACKING],
            "ownerReferences": [controller_reference(job)],
        },
        "spec": spec,
    }


def _tell_index(spec: Json) -> None:
    field = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        variables = container.setdefault("env", [])
        if all(variable["name"] != "JOB_COMPLETION_INDEX" for variable in variables):
            variables.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": field}})


def index_of(pod: Json) -> int | None:
    """The index that a pod works on; None for one without."""
    text = dig(pod, "metadata", "annotations", INDEX)
    return int(text) if text is not None else None


def index_failures_of(pod: Json) -> int:
    """How often the index had failed before this pod."""
    return int(dig(pod, "metadata", "annotations", INDEX_FAILURES) or 0)


def _has_ended(pod: Json) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")


def _has_failed(pod: Json) -> bool:
    return bool(dig(pod, "status", "phase") == "Failed")


def _ended_at(pod: Json) -> datetime:
    times = [
        found
        for status in dig(pod, "status", "containerStatuses") or []
        if (found := dig(status, "state", "terminated", "finishedAt"))
    ]
    return parse_timestamp(max(times, default=pod["metadata"]["creationTimestamp"]))


def _deletion_order(pod: Json) -> tuple[bool, bool, float]:
    """First what no node runs, then what is not ready, then the youngest."""
    created = parse_timestamp(pod["metadata"]["creationTimestamp"]).timestamp()
    return bool(dig(pod, "spec", "nodeName")), ready_since(pod) is not None, -created
