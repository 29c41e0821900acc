"""Says what a verification found: a line for each finding, then a summary, as text or JSON, and progress on a terminal."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from cloudtrail_collector.commands.report import count
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind, Level
from cloudtrail_collector.core.integrity.sections import Section
from cloudtrail_collector.ports import EvidenceStore

PROBLEMS, UNREADABLE = 1, 2


@dataclass(slots=True)
class Tally:
    """What was verified so far. Log files are counted once for each digest file that names them."""

    sections: int = 0
    digests_verified: int = 0
    digests_not_verified: int = 0
    logs_verified: int = 0
    logs_altered: int = 0
    logs_missing: int = 0
    logs_unreadable: int = 0
    logs_unverifiable: int = 0
    logs_not_covered: int = 0
    logs_not_yet_covered: int = 0
    problems: int = 0
    notices: int = 0
    # The most names of log files that were held at once.
    names_held: int = 0


_OUTCOMES = {
    None: "logs_verified",
    FindingKind.LOG_ALTERED: "logs_altered",
    FindingKind.LOG_MISSING: "logs_missing",
    FindingKind.LOG_UNREADABLE: "logs_unreadable",
    FindingKind.LOG_UNVERIFIABLE: "logs_unverifiable",
}


class VerifyReport:
    """Takes what is found and prints it at once."""

    def __init__(self, store: EvidenceStore, *, is_json: bool) -> None:
        self.tally = Tally()
        self._store = store
        self._is_json = is_json
        self._section: Section | None = None
        self._waiting: Finding | None = None
        self._waiting_count = 0
        self._has_findings_of_content = False
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415  (only where somebody looks)

            self._bar = tqdm(total=0, unit=" log files", file=sys.stderr, leave=False, dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @property
    def code(self) -> int:
        """The exit code: 1 when something is not as it was signed, 2 when no more than that things could not be read."""
        if self._has_findings_of_content:
            return PROBLEMS
        return UNREADABLE if self.tally.problems else 0

    def begin(self, section: Section) -> None:
        """Note that a section begins."""
        self._flush_waiting()
        self._section = section
        self.tally.sections += 1
        if self._bar is not None:
            self._bar.set_description_str(f"{section.account_id} {section.region}", refresh=True)

    def note(self, *findings: Finding) -> None:
        """Print findings."""
        for finding in findings:
            is_problem = finding.kind.level is Level.PROBLEM
            self.tally.problems += is_problem
            self.tally.notices += not is_problem
            self._has_findings_of_content |= is_problem and not finding.kind.is_of_access
            self._print(self._render_json(finding) if self._is_json else self._render(finding))

    def note_digest(self, *, is_verified: bool, log_files: int) -> None:
        """Count a digest file of the interval."""
        self.tally.digests_verified += is_verified
        self.tally.digests_not_verified += not is_verified
        if self._bar is not None and is_verified:
            self._bar.total += log_files

    def note_log_file(self, finding: Finding | None) -> None:
        """Count a log file that was read, and print what is wrong with it."""
        name = _OUTCOMES[finding.kind if finding else None]
        setattr(self.tally, name, getattr(self.tally, name) + 1)
        if finding is not None:
            self.note(finding)
        if self._bar is not None:
            self._bar.update()

    def note_not_yet_covered(self, key: str) -> None:
        """Count a log file that is too new for its digest file; a section's are one finding."""
        self.tally.logs_not_yet_covered += 1
        self._waiting_count += 1
        self._waiting = Finding(FindingKind.LOG_NOT_YET_COVERED, key)

    def note_held(self, names: int) -> None:
        """Note how many names of log files a section held at once."""
        self.tally.names_held = max(self.tally.names_held, names)

    def finish(self) -> None:
        """Print the summary."""
        self._flush_waiting()
        summary = {"exitCode": self.code, **{_to_camel(name): value for name, value in asdict(self.tally).items()}}
        self._print(json.dumps({"summary": summary}) if self._is_json else self._summarize())

    def _flush_waiting(self) -> None:
        if self._waiting is not None:
            first, others = self._waiting, self._waiting_count - 1
            detail = f"and {count(others, 'newer one')}" if others else ""
            self.note(Finding(first.kind, first.key, detail))
        self._waiting, self._waiting_count = None, 0

    def _render(self, finding: Finding) -> str:
        detail = f" ({finding.detail})" if finding.detail else ""
        where = self._store.describe(finding.key)
        return f"{finding.kind.level:<7}  {finding.kind:<19}  {where}: {finding.kind.sentence}{detail}"

    def _render_json(self, finding: Finding) -> str:
        section = self._section
        fields = {
            "level": finding.kind.level,
            "finding": finding.kind,
            "accountId": section.account_id if section else "",
            "region": section.region if section else "",
            "object": self._store.describe(finding.key),
            "message": finding.kind.sentence,
            "detail": finding.detail,
        }
        return json.dumps(fields, ensure_ascii=False)

    def _summarize(self) -> str:
        tally = self.tally
        digests = {"not verified": tally.digests_not_verified}
        logs = {
            "altered": tally.logs_altered,
            "missing": tally.logs_missing,
            "unreadable": tally.logs_unreadable,
            "unverifiable": tally.logs_unverifiable,
            "not covered": tally.logs_not_covered,
            "not yet covered": tally.logs_not_yet_covered,
        }
        parts = [
            f"{count(tally.sections, 'region')} of accounts",
            f"digest files: {_list_counts({'verified': tally.digests_verified, **digests})}",
            f"log files: {_list_counts({'verified': tally.logs_verified, **logs})}",
            f"{count(tally.problems, 'problem')}, {count(tally.notices, 'notice')}",
        ]
        return "; ".join(parts)

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(line, flush=True)  # noqa: T201  (the command's answer)


def _list_counts(counts: Mapping[str, int]) -> str:
    """Say how many there are of each; the first also when there are none."""
    return ", ".join(f"{number} {name}" for place, (name, number) in enumerate(counts.items()) if number or not place)


def _to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)
