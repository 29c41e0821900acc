"""Asks a source's collectors for their reports, and remembers the last answer of each for a short while."""

import asyncio
from dataclasses import dataclass

from cloudtrail_operator.core.observation import Collector
from cloudtrail_operator.core.pods import CollectorPod
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.ports import Clock, Reports
from cloudtrail_spec.report import CollectorReport

AT_ONCE = 256  # collectors that do not answer take up a slot until their time is over
FRESH_SECONDS = 1.0  # a burst of pod events asks each collector once
KEEP_SECONDS = 60.0  # one lost answer does not turn a condition


@dataclass(frozen=True, slots=True)
class _Answer:
    report: CollectorReport
    at: float


class Poller:
    """Polls collectors, a bounded number at a time."""

    def __init__(self, reports: Reports, clock: Clock, at_once: int = AT_ONCE) -> None:
        self._reports = reports
        self._clock = clock
        self._slots = asyncio.Semaphore(at_once)
        self._answers: dict[SourceKey, dict[str, _Answer]] = {}

    async def poll(self, key: SourceKey, pods: list[CollectorPod]) -> tuple[Collector, ...]:
        """Ask every pod that can answer; the others have no report."""
        answers = await asyncio.gather(*(self._ask(self._answers.get(key, {}).get(pod.uid), pod) for pod in pods))
        self._answers[key] = {pod.uid: answer for pod, answer in zip(pods, answers, strict=True) if answer is not None}
        return tuple(
            Collector(pod, None if answer is None else answer.report) for pod, answer in zip(pods, answers, strict=True)
        )

    def forget(self, key: SourceKey) -> None:
        """Drop the answers of a source that is gone."""
        self._answers.pop(key, None)

    async def _ask(self, known: _Answer | None, pod: CollectorPod) -> _Answer | None:
        age = None if known is None else self._clock.monotonic() - known.at
        if pod.address is None or pod.going or pod.ended:
            return None
        if age is not None and age < FRESH_SECONDS:
            return known
        async with self._slots:
            report = await self._reports.fetch(pod.address)
        if report is not None:
            return _Answer(report, self._clock.monotonic())
        return known if age is not None and age < KEEP_SECONDS else None
