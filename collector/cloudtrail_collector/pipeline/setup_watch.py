"""Looks at how the source is set up in AWS: at the start, and now and then. Collecting never waits for it."""

from collections.abc import Sequence

from cloudtrail_collector.core.doctor.facts import Subject
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.examination import look_at_setup
from cloudtrail_collector.ports import SetupInquiry
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.report import SetupVerdict

# Somebody who has mended something waits for the condition. Else looks are rare: AWS writes down those that it denies, and
# that is what an alert about denied calls counts.
SOON_SECONDS = 300.0
LATE_SECONDS = 6 * 3600.0
RETRY_SECONDS = 60.0
# These say nothing about the set-up, and what they say other conditions tell at once.
PASSING = frozenset({Reason.CREDENTIALS_REJECTED, Reason.ENDPOINT_UNREACHABLE, Reason.THROTTLED, Reason.AWS_ERROR})


class SetupWatch(Background):
    """A thread that looks, and reports what it finds."""

    def __init__(self, subject: Subject, buckets: Sequence[str], inquiry: SetupInquiry, telemetry: Telemetry) -> None:
        super().__init__("setup")
        self._subject = subject
        self._buckets = buckets
        self._inquiry = inquiry
        self._telemetry = telemetry

    def _run(self) -> None:
        delay = self._look()
        while not self._stopping.wait(delay):
            delay = self._look()

    def _look(self) -> float:
        """Look, and return after how many seconds to look again."""
        try:
            findings = look_at_setup(self._subject, self._buckets, self._inquiry)
        except Exception as error:  # noqa: BLE001  (a task's boundary: the watch must go on)
            self._telemetry.crashed("setup", error)
            return LATE_SECONDS
        lasting = [finding for finding in findings if finding.reason not in PASSING]
        self._telemetry.setup_judged(lasting)
        if len(lasting) < len(findings):
            return RETRY_SECONDS
        return SOON_SECONDS if any(one.verdict is SetupVerdict.WRONG for one in lasting) else LATE_SECONDS
