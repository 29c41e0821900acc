"""What a Job has come to: completed and failed indexes, counts, conditions; and what follows for the next step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from localcluster.embedded.job_failures import Verdict, find_exit, find_rule
from localcluster.embedded.jsontypes import Json, clone, parse_timestamp, timestamp

SUCCESS_TARGET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"


def condition_of(job: Json, kind: str) -> Json | None:
    """The condition of a type, if it is True."""
    conditions: list[Json] = (job.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind and one["status"] == "True"), None)


def is_finished(job: Json) -> bool:
    """Whether nothing happens to a Job any more."""
    return bool(condition_of(job, "Complete") or condition_of(job, "Failed"))


class JobState:
    """A Job's status while it is worked on."""

    def __init__(self, job: Json) -> None:
        self.spec: Json = job["spec"]
        self._where = job["metadata"]["namespace"]
        before: Json = clone(job.get("status") or {})
        self.is_indexed = self.spec.get("completionMode") == "Indexed"
        self.completed = parse_indexes(before.get("completedIndexes", ""))
        self.failed_indexes = parse_indexes(before.get("failedIndexes", ""))
        self._succeeded = int(before.get("succeeded", 0))
        self._failed = int(before.get("failed", 0))
        self._conditions: list[Json] = before.get("conditions") or []
        self._started = before.get("startTime")
        self._completed_at = before.get("completionTime")

    # --- pods that have ended ---

    def note_success(self, index: int | None) -> None:
        """Note a pod that has succeeded."""
        if index is None:
            self._succeeded += 1
        else:
            self.completed.add(index)
            self._succeeded = len(self.completed)

    def note_failure(self, pod: Json, index: int | None, before: int, verdict: Verdict) -> None:
        """Note a pod that has failed; its index had failed so often `before`."""
        if verdict is Verdict.IGNORED:
            return
        self._failed += 1
        if verdict is Verdict.FAILS_JOB:
            self._set(FAILURE_TARGET, "PodFailurePolicy", self._explain(pod))
        limit = self.spec.get("backoffLimitPerIndex")
        if index is not None and limit is not None and (verdict is Verdict.FAILS_INDEX or before >= limit):
            self.failed_indexes.add(index)

    def _explain(self, pod: Json) -> str:
        found = find_rule(pod, self.spec)
        number, rule = found or (0, {})
        name = f"{self._where}/{pod['metadata']['name']}"
        if ended := find_exit(pod, rule.get("onExitCodes") or {}):
            container, code = ended
            what = f"Container {container} for pod {name} failed with exit code {code}"
            return f"{what} matching FailJob rule at index {number}"
        kinds = ", ".join(one["type"] for one in rule.get("onPodConditions") or [])
        return f"Pod {name} has condition {kinds} matching FailJob rule at index {number}"

    # --- what follows ---

    @property
    def is_suspended(self) -> bool:
        """Whether no pod may run."""
        return bool(self.spec.get("suspend"))

    @property
    def is_over(self) -> bool:
        """Whether it is decided how the Job ends."""
        return any(
            one["type"] in (SUCCESS_TARGET, FAILURE_TARGET) and one["status"] == "True" for one in self._conditions
        )

    def decide(self, now: datetime) -> None:
        """Decide whether the Job is over, begins or rests."""
        if not self.is_over:
            self._decide_failure(now)
        if not self.is_over:
            self._decide_success()
        if not self.is_over:
            self._decide_suspension()

    def _decide_failure(self, now: datetime) -> None:
        spec = self.spec
        deadline = spec.get("activeDeadlineSeconds")
        most = spec.get("maxFailedIndexes")
        if self._failed > spec["backoffLimit"]:
            self._set(FAILURE_TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif most is not None and len(self.failed_indexes) > most:
            message = "Job has exceeded the specified maximal number of failed indexes"
            self._set(FAILURE_TARGET, "MaxFailedIndexesExceeded", message)
        elif self.failed_indexes and len(self.failed_indexes | self.completed) >= (spec.get("completions") or 0):
            self._set(FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")
        elif deadline and self._started and now >= parse_timestamp(self._started) + timedelta(seconds=deadline):
            self._set(FAILURE_TARGET, "DeadlineExceeded", "Job was active longer than specified deadline")

    def _decide_success(self) -> None:
        completions = self.spec.get("completions")
        is_reached = completions is not None and self._succeeded >= completions
        if is_reached or (completions is None and self._succeeded):
            self._set(SUCCESS_TARGET, "CompletionsReached", "Reached expected number of succeeded pods")

    def _decide_suspension(self) -> None:
        known = next((one for one in self._conditions if one["type"] == "Suspended"), None)
        if self.is_suspended:
            self._set("Suspended", "JobSuspended", "Job suspended")
            self._started = None
            return
        if known is not None:
            self._set("Suspended", "JobResumed", "Job resumed", status="False")
        self._started = self._started or timestamp()

    def find_wanted(self, active: int) -> int:
        """How many pods are to be active."""
        parallelism = int(self.spec.get("parallelism", 1))
        completions = self.spec.get("completions")
        if completions is None:
            return active if self._succeeded else parallelism
        return min(parallelism, int(completions) - self._succeeded - len(self.failed_indexes))

    def find_free_indexes(self, busy: Iterable[int | None], room: int) -> list[int | None]:
        """The lowest indexes that want a pod; None for each pod of a Job that is not Indexed."""
        if not self.is_indexed:
            return [None] * max(room, 0)
        taken = {*busy, *self.completed, *self.failed_indexes}
        free: list[int | None] = [index for index in range(self.spec["completions"]) if index not in taken]
        return free[: max(room, 0)]

    # --- the status ---

    def build_status(self, *, active: int, ready: int, terminating: int) -> Json:
        """Build the status; how the Job ends is said when no pod is left."""
        if not active and not terminating:
            self._conclude()
        counts = {"active": active, "succeeded": self._succeeded, "failed": self._failed}
        status: Json = {name: count for name, count in counts.items() if count}
        status |= {"ready": ready, "terminating": terminating, "uncountedTerminatedPods": {}}
        if self.completed:
            status["completedIndexes"] = format_indexes(self.completed)
        if "backoffLimitPerIndex" in self.spec:
            status["failedIndexes"] = format_indexes(self.failed_indexes)
        times = {"startTime": self._started, "completionTime": self._completed_at}
        status |= {name: time for name, time in times.items() if time}
        if self._conditions:
            status["conditions"] = self._conditions
        return status

    def _conclude(self) -> None:
        for target, final in ((SUCCESS_TARGET, "Complete"), (FAILURE_TARGET, "Failed")):
            found = next((one for one in self._conditions if one["type"] == target), None)
            if found is not None:
                self._set(final, found["reason"], found["message"])
                if final == "Complete":
                    self._completed_at = self._completed_at or timestamp()

    def _set(self, kind: str, reason: str, message: str, *, status: str = "True") -> None:
        known = next((one for one in self._conditions if one["type"] == kind), None)
        if known is not None and known["status"] == status:
            return
        now = timestamp()
        new = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastProbeTime": now,
            "lastTransitionTime": now,
        }
        self._conditions = [*(one for one in self._conditions if one["type"] != kind), new]


def parse_indexes(text: str) -> set[int]:
    """Read indexes such as 0-2,5."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Write indexes as 0-2,5; two in a row as 3,4."""
    runs: list[tuple[int, int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return ",".join(_format_run(first, last) for first, last in runs)


def _format_run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
