"""Collectors over HTTP: `GET /status` becomes a CollectorReport."""

from typing import Self

import aiohttp
from pydantic import ValidationError

from cloudtrail_operator import telemetry
from cloudtrail_spec.report import CollectorReport

TIMEOUT = aiohttp.ClientTimeout(total=3)
SIZE_LIMIT = 1024 * 1024  # a report has a few kilobytes; whatever listens there must not fill our memory


class HttpReports:
    """Asks collectors for their reports. Use it as an async context manager."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Pods come and go: a kept connection is more often in the way than of use.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, address: str) -> CollectorReport | None:
        """Ask the collector at a base URL; None when there is no sensible answer in time."""
        if self._session is None:
            raise RuntimeError("the reports are used outside of their context")
        try:
            async with self._session.get(f"{address}/status", allow_redirects=False) as response:
                response.raise_for_status()
                report = CollectorReport.model_validate_json(await _read(response))
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            telemetry.polled(address, f"{type(error).__name__}: {error}")
            return None
        telemetry.polled(address, None)
        return report


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) <= SIZE_LIMIT:
        chunk = await response.content.read(SIZE_LIMIT)
        if not chunk:
            return body
        body += chunk
    raise aiohttp.ClientPayloadError(f"more than {SIZE_LIMIT} bytes")
