"""Asks CloudTrail for the public keys of its digest files: `cloudtrail:ListPublicKeys` in the region that signed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.core.integrity.chain import Period
from cloudtrail_collector.core.integrity.signature import PublicKey, PublicKeyError, choose_keys, load_public_key
from cloudtrail_collector.errors import AwsError

# A digest file is signed within hours of its own; keys that were changed meanwhile are asked for, too.
BEFORE, AFTER = timedelta(hours=2), timedelta(hours=5)
AROUND_BACKFILL = timedelta(hours=1)

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
            self._known[region, window] = self._ask(region, window)
        return self._known[region, window]

    def _ask(self, region: str, window: Window) -> tuple[PublicKey, ...]:
        keys: list[PublicKey] = []
        try:
            session: Any = self._clients().session
            client = session.client("cloudtrail", region_name=region, endpoint_url=self._endpoint_url)
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
