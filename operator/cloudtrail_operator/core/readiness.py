"""Is the source ready? A chain of questions; the first that is answered badly gives reason and message."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloudtrail_operator.core.checks import find_failed
from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.findings import Finding, find_false, find_true
from cloudtrail_operator.core.observation import Collector, Observation
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.pipeline import Mode


@dataclass(frozen=True, slots=True)
class Situation:
    """What the questions are about."""

    desired: Desired
    observation: Observation
    checks: tuple[Finding, ...]

    @property
    def current(self) -> tuple[Collector, ...]:
        """The collectors that run the present spec."""
        return self.observation.current(self.desired.template_hash)

    @property
    def wanted(self) -> int:
        """The number of collectors that should run."""
        return self.desired.count_wanted(self.observation.rollout)


def evaluate_readiness(situation: Situation) -> Finding:
    """Ask all questions in order. Ready means that events can flow, not that manifests were applied."""
    questions = (
        find_failing_pod,
        find_failed_check,
        find_unfinished_rollout,
        find_idle_autoscaler,
        find_silent_collector,
    )
    for question in questions:
        finding = question(situation)
        if finding is not None:
            return finding
    return _build_ready(situation)


def find_failing_pod(situation: Situation) -> Finding | None:
    """Does a pod fail to start, or keep crashing?"""
    failing = [collector.pod for collector in situation.current if collector.pod.trouble]
    if not failing:
        return None
    first = min(failing, key=lambda pod: pod.name)
    others = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    return find_false(ConditionType.READY, Reason.COLLECTOR_FAILING, f"pod {first.name}{others}: {first.trouble}")


def find_failed_check(situation: Situation) -> Finding | None:
    """Does a collector lack something that it depends on?"""
    failed = find_failed(situation.checks)
    return None if failed is None else find_false(ConditionType.READY, failed.reason, failed.message)


def find_unfinished_rollout(situation: Situation) -> Finding | None:
    """Are there collectors yet to start, or old ones yet to go?"""
    sentence = describe_rollout(situation.desired, situation.observation)
    return None if sentence is None else find_false(ConditionType.READY, Reason.ROLLING_OUT, sentence)


def describe_rollout(desired: Desired, observation: Observation) -> str | None:
    """Say what the rollout waits for; None when it is over."""
    rollout = observation.rollout
    wanted = desired.count_wanted(rollout)
    if not rollout.seen or (rollout.template_hash, rollout.wanted) != (desired.template_hash, wanted):
        return "the collectors' Deployment has not taken up the change yet"
    if rollout.updated < wanted or rollout.available < wanted or rollout.ready < wanted:
        return f"{min(rollout.updated, rollout.available, rollout.ready)} of {wanted} collectors are up and ready"
    going = max(rollout.total - wanted, len(observation.leaving(desired.template_hash)))
    if going > 0:
        return f"collectors that finish their work before they stop: {going}"
    if len(observation.current(desired.template_hash)) != wanted:
        return f"{len(observation.current(desired.template_hash))} of {wanted} collector pods are seen"
    return None


def find_idle_autoscaler(situation: Situation) -> Finding | None:
    """Did somebody scale a Deployment to zero that its autoscaler is not to scale to zero, and so turn that off?"""
    scaling = situation.desired.scaling
    if scaling is None or scaling.min == 0 or situation.wanted > 0:
        return None
    message = "the collectors' Deployment was scaled to 0, where its autoscaler rests: scale it to 1 or more"
    return find_false(ConditionType.READY, Reason.SCALED_TO_ZERO, message)


def find_silent_collector(situation: Situation) -> Finding | None:
    """Does every collector run this configuration, and has it received from the queue?"""
    waits = sorted(filter(None, (_describe_wait(item, situation.desired) for item in situation.current)))
    if not waits:
        return None
    others = f" (and {len(waits) - 1} more)" if len(waits) > 1 else ""
    return find_false(ConditionType.READY, Reason.WAITING_FOR_COLLECTORS, f"{waits[0]}{others}")


def _describe_wait(collector: Collector, desired: Desired) -> str | None:
    pod, report = collector.pod, collector.report
    if report is None:
        return f"collector {pod.name} has not answered yet"
    if report.config_hash != desired.config_hash:
        return f"collector {pod.name} runs another configuration ({report.config_hash[:10]})"
    if report.last_receive_at is None:
        return f"collector {pod.name} has not received from the queue yet"
    return None


def _build_ready(situation: Situation) -> Finding:
    if situation.desired.mode is not Mode.PAUSED and situation.wanted == 0:
        message = "the queue is empty and no collector runs: the autoscaler starts one when messages come"
        return find_true(ConditionType.READY, Reason.SCALED_TO_ZERO, message)
    count = f"{situation.wanted} collector{'s' if situation.wanted != 1 else ''}"
    match situation.desired.mode:
        case Mode.PAUSED:
            return find_true(ConditionType.READY, Reason.PAUSED, "the source is paused: no collector runs")
        case Mode.TEST:
            message = f"{count} in mode Test: events are delivered, messages stay on the queue"
            return find_true(ConditionType.READY, Reason.TESTING, message)
        case Mode.ACTIVE:
            return find_true(ConditionType.READY, Reason.COLLECTING, f"{count} in mode Active")


def find_ready_count(collectors: Sequence[Collector]) -> int:
    """Count the collectors that are ready."""
    return sum(collector.pod.ready for collector in collectors)
