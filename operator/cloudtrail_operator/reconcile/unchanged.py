"""Remembers verdicts that gave no reason to write, so that the next look at a source that says the same is short.

Most looks at most sources find what the look before found. To build a status and to compare it with the one before takes
longer than to see that.
"""

from dataclasses import dataclass

from cloudtrail_operator.core.change import Change
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.source import Source, SourceKey


@dataclass(frozen=True, slots=True)
class _Unwritten:
    version: str | None
    verdict: Verdict
    essence: tuple[object, ...]
    change: Change


class UnchangedVerdicts:
    """The last verdict of each source that did not have to be written."""

    def __init__(self) -> None:
        self._unwritten: dict[SourceKey, _Unwritten] = {}

    def is_repeated(self, source: Source, verdict: Verdict, *, figures_due: bool) -> bool:
        """Say whether a verdict on a source that has not changed gives no reason to write, either.

        One that is not ready always may: time alone can make it a stalled one.
        """
        known = self._unwritten.get(source.key)
        if known is None or known.version != source.version or not verdict.is_ready():
            return False
        if figures_due:
            return known.change is Change.NONE and known.verdict == verdict
        return known.essence == verdict.essence()

    def note(self, source: Source, verdict: Verdict, change: Change) -> None:
        """Note that a verdict was not written, and how it differs from what is."""
        self._unwritten[source.key] = _Unwritten(source.version, verdict, verdict.essence(), change)

    def forget(self, key: SourceKey) -> None:
        """Drop what is known of a source."""
        self._unwritten.pop(key, None)
