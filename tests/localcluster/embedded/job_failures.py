"""Judges a failed pod of a Job by the Job's podFailurePolicy: whether it counts, and what follows from it."""

from __future__ import annotations

from enum import Enum

from localcluster.embedded.jsontypes import Json, dig


class Verdict(Enum):
    """What follows from a failed pod."""

    COUNTED = "Count"
    IGNORED = "Ignore"
    FAILS_INDEX = "FailIndex"
    FAILS_JOB = "FailJob"


def is_failed(pod: Json, spec: Json) -> bool:
    """Whether a pod has failed; one that is being deleted has, unless the Job waits for its end."""
    phase = dig(pod, "status", "phase")
    if phase == "Failed":
        return True
    if spec.get("podReplacementPolicy") == "Failed":
        # One that no node has run, or that is gone from its node, has no end to wait for.
        return bool(pod["metadata"].get("deletionTimestamp")) and not pod["metadata"].get("deletionGracePeriodSeconds")
    return bool(pod["metadata"].get("deletionTimestamp")) and phase != "Succeeded"


def judge(pod: Json, spec: Json) -> Verdict:
    """Find the first rule that a failed pod matches."""
    rule = find_rule(pod, spec)
    return Verdict(rule[1]["action"]) if rule else Verdict.COUNTED


def find_rule(pod: Json, spec: Json) -> tuple[int, Json] | None:
    """Find the first rule that a failed pod matches, with its place."""
    rules = dig(spec, "podFailurePolicy", "rules") or []
    if dig(pod, "status", "phase") != "Failed":
        return None
    return next(((number, rule) for number, rule in enumerate(rules) if _matches(pod, rule)), None)


def _matches(pod: Json, rule: Json) -> bool:
    if wanted := rule.get("onPodConditions"):
        conditions = {one["type"]: one["status"] for one in dig(pod, "status", "conditions") or []}
        return any(conditions.get(one["type"]) == one.get("status", "True") for one in wanted)
    return find_exit(pod, rule.get("onExitCodes") or {}) is not None


def find_exit(pod: Json, wanted: Json) -> tuple[str, int] | None:
    """Find the container whose exit code a rule is about, and the code."""
    named, values = wanted.get("containerName"), wanted.get("values") or []
    statuses = [*(dig(pod, "status", "containerStatuses") or []), *(dig(pod, "status", "initContainerStatuses") or [])]
    for status in statuses:
        code = dig(status, "state", "terminated", "exitCode")
        # Success matches no rule.
        if code and named in (None, status["name"]) and (code in values) == (wanted.get("operator") == "In"):
            return str(status["name"]), int(code)
    return None
