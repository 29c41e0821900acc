"""Turns the folders of a bucket into the sections that are verified: an account's region below one `AWSLogs/`.

A section's folders of log files and digest files are listed by day. A region whose log files are all gone still has its
digest files, and the other way round: either makes a section.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_collector.core.log_prefixes import MAX_SEARCHED_FOLDERS, SEARCH_LEVELS, ListFolder

DIGESTS, LOGS = "CloudTrail-Digest", "CloudTrail"
_ACCOUNT = re.compile(r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>[0-9]{12})/(?P<rest>.*)", re.DOTALL)
_ROOT = re.compile(r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?", re.DOTALL)


class NoTrailError(ValueError):
    """There is no trail's tree of folders; the message says what is there instead."""


@dataclass(frozen=True, slots=True)
class Section:
    """An account's region: `root` is the prefix up to the account's folder, with the slash."""

    root: str
    account_id: str
    region: str
    has_digests: bool

    def list_days(self, kind: str, start: datetime, end: datetime) -> tuple[str, ...]:
        """List the prefixes of the days between two instants, oldest first."""
        count = (end.date() - start.date()).days + 1
        days = (start.date() + timedelta(days=number) for number in range(count))
        return tuple(f"{self.root}{kind}/{self.region}/{day:%Y/%m/%d}/" for day in days)


@dataclass(frozen=True, slots=True)
class SectionSelection:
    """Which accounts and regions are wanted. None: all."""

    accounts: frozenset[str] | None = None
    regions: frozenset[str] | None = None


def find_sections(prefix: str, selection: SectionSelection, list_folder: ListFolder) -> Iterator[Section]:
    """Find the sections below a prefix. Raises NoTrailError."""
    place = _ACCOUNT.fullmatch(prefix)
    if place is not None and place["rest"]:
        raise NoTrailError(
            f"{prefix}: name what stands above {place['rest']}, so that digest files and log files are below"
        )
    for root, account in _find_accounts(prefix, list_folder, SEARCH_LEVELS):
        if selection.accounts is not None and account not in selection.accounts:
            continue
        signed, logged = (_list_regions(f"{root}{kind}/", list_folder) for kind in (DIGESTS, LOGS))
        for region in sorted(signed | logged):
            if selection.regions is None or region in selection.regions:
                yield Section(root, account, region, region in signed)


def _find_accounts(prefix: str, list_folder: ListFolder, levels: int) -> Iterator[tuple[str, str]]:
    """Find the folders of accounts: below AWSLogs, which is looked for where it is not in sight."""
    if place := _ACCOUNT.fullmatch(prefix):
        yield prefix, place["account"]
        return
    is_root = _ROOT.fullmatch(prefix) is not None
    folders = list_folder(prefix).folders
    if is_root:
        folders = tuple(folder for folder in folders if _ACCOUNT.fullmatch(folder) or _ROOT.fullmatch(folder))
    elif levels == 0 or len(folders) > MAX_SEARCHED_FOLDERS:
        folders = tuple(folder for folder in folders if folder.endswith("/AWSLogs/") or folder == "AWSLogs/")
    for folder in folders:
        yield from _find_accounts(folder, list_folder, levels if is_root else max(levels - 1, 0))


def _list_regions(prefix: str, list_folder: ListFolder) -> frozenset[str]:
    return frozenset(folder[len(prefix) :].rstrip("/") for folder in list_folder(prefix).folders)
