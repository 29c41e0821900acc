"""Asks CloudTrail for the public keys of its digest files: `cloudtrail:ListPublicKeys` in the region that signed."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.core.integrity.chain import Period
from cloudtrail_collector.core.integrity.signature import PublicKey, PublicKeyError, choose_keys, load_public_key
from cloudtrail_collector.errors import AwsError

# A digest file is signed within hours of its own; keys that were changed meanwhile are asked for, too.
BEFORE, AFTER = timedelta(hours=2), timedelta(hours=5)
AROUND_BACKFILL = timedelta(hours=1)
# The longest that SQS keeps a message.
BACKLOG = timedelta(days=14)
ASK_AGAIN_SECONDS = 300.0
MAX_REMEMBERED = 1000

T = TypeVar("T")

Window = tuple[datetime, datetime]


class PublishedKeys:
    """The keys of a period, by region; each region is asked once, and once more for each backfill that needs it."""

    def __init__(self, clients: Callable[[], AwsClients], endpoint_url: str | None, period: Period) -> None:
        self._clients = clients
        self._endpoint_url = endpoint_url
        self._window = (period.start - BEFORE, min(period.end + AFTER, period.now))
        self._now = period.now
        self._known: dict[tuple[str, Window], tuple[PublicKey, ...]] = {}

    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> tuple[PublicKey, ...]:
        """Find the key of a fingerprint, in the first of the regions that has it. Raises AwsError.

        `signed_at` is for digest files that were made long after their hour.
        """
        window = self._window
        if signed_at is not None:
            window = (signed_at - AROUND_BACKFILL, min(signed_at + AROUND_BACKFILL, self._now))
        first, *others = dict.fromkeys(regions)
        found = choose_keys(fingerprint, self._list(first, window))
        for region in others if not found else ():
            # It is named by the file alone: one that does not answer leaves the key unknown, and ends nothing.
            with suppress(AwsError):
                found = found or choose_keys(fingerprint, self._list(region, window))
        return found

    def _list(self, region: str, window: Window) -> tuple[PublicKey, ...]:
        if (region, window) not in self._known:
            session = self._clients().session
            self._known[region, window] = list_public_keys(session, self._endpoint_url, region, window)
        return self._known[region, window]


class RememberedKeys:
    """The keys of digest files as they come: asked for when a fingerprint is new, and remembered by it.

    Used by many threads. A fingerprint that nobody knows is asked for again after a while only.
    """

    def __init__(self, clients: Callable[[], AwsClients], endpoint_url: str | None) -> None:
        self._clients = clients
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], PublicKey] = {}
        self._unknown: dict[tuple[str, str], float] = {}

    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> tuple[PublicKey, ...]:
        """Find the key of a fingerprint, in the first of the regions that has it. Raises AwsError."""
        now = datetime.now(UTC)
        at = signed_at or now
        first, *others = dict.fromkeys(regions)
        found = self._look_up(fingerprint, first, at, now)
        for region in others if not found else ():
            # It is named by the file alone: one that does not answer leaves the key unknown, and ends nothing.
            with suppress(AwsError):
                found = found or self._look_up(fingerprint, region, at, now)
        return found

    def _look_up(self, fingerprint: str, region: str, at: datetime, now: datetime) -> tuple[PublicKey, ...]:
        place = (region, fingerprint)
        with self._lock:
            if key := self._known.get(place):
                return (key,)
            if time.monotonic() - self._unknown.get(place, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
                return ()
            # A digest file is signed within hours of its own; a backlog may hold files of some days.
            window = (at - BACKLOG, min(at + AFTER, now))
            for key in list_public_keys(self._clients().session, self._endpoint_url, region, window):
                self._remember(self._known, (region, key.fingerprint or ""), key)
            if key := self._known.get(place):
                return (key,)
            self._remember(self._unknown, place, time.monotonic())
            return ()

    @staticmethod
    def _remember(memory: dict[tuple[str, str], T], place: tuple[str, str], value: T) -> None:
        """Note something; the oldest is forgotten when there is too much, as forged digest files could make it."""
        memory[place] = value
        if len(memory) > MAX_REMEMBERED:
            del memory[next(iter(memory))]


def list_public_keys(session: Any, endpoint_url: str | None, region: str, window: Window) -> tuple[PublicKey, ...]:
    """Ask for the keys of a region that were in use between two instants. Raises AwsError."""
    keys: list[PublicKey] = []
    try:
        client = session.client("cloudtrail", region_name=region, endpoint_url=endpoint_url)
        for page in client.get_paginator("list_public_keys").paginate(StartTime=window[0], EndTime=window[1]):
            keys += (load_public_key(entry["Value"], entry["Fingerprint"]) for entry in page["PublicKeyList"])
    except (BotoCoreError, ClientError, PublicKeyError) as error:
        raise translate(error, action="cloudtrail:ListPublicKeys", resource=f"region {region}") from error
    return tuple(keys)


class GivenKeys:
    """Keys that a person gave: nobody is asked."""

    def __init__(self, keys: tuple[PublicKey, ...]) -> None:
        self._keys = keys

    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> tuple[PublicKey, ...]:  # noqa: ARG002
        """Find the key of a fingerprint; else the keys that have none."""
        return choose_keys(fingerprint, self._keys)
