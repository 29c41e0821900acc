"""Signs of life of watches: every piece of a stream counts, bookmarks too, which kopf keeps from handlers.

A watch without changes is as quiet as one whose connection has died. What tells them apart are the bookmarks that the
API server sends about every minute, so the bytes of the streams are noted here as they arrive.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import aiohttp

from cloudtrail_operator import telemetry
from cloudtrail_operator.ports import Clock

SILENCE_SECONDS = 180.0  # three bookmarks missed


class Heartbeats:
    """When each watch was heard last. Watches are told apart by URL path. May be used by several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def expect(self, paths: Iterable[str]) -> None:
        """Begin anew: these watches are there from now on, and no others."""
        self._heard = dict.fromkeys(paths, self._clock.monotonic())
        telemetry.measure_silence(tuple(self._heard), self.measure_silence)

    def hear(self, path: str) -> None:
        """Note a sign of life."""
        if path in self._heard:
            self._heard[path] = self._clock.monotonic()

    def measure_silence(self, path: str) -> float:
        """Return for how many seconds a watch has been silent."""
        return self._clock.monotonic() - self._heard.get(path, self._clock.monotonic())

    def find_silent(self, answered_at: float | None) -> list[str]:
        """List the watches that were silent for long, while the API server answered other requests."""
        if answered_at is None:
            return []
        return [path for path, heard in self._heard.items() if answered_at - heard > SILENCE_SECONDS]

    def listen(self, path: str, response: aiohttp.ClientResponse) -> None:
        """Note every piece of a stream as it is read."""
        self.hear(path)
        response.content = cast("aiohttp.StreamReader", _HeardStream(response.content, self, path))


class _HeardStream:
    """A stream whose pieces are noted. All else is the stream's own."""

    def __init__(self, stream: aiohttp.StreamReader, heartbeats: Heartbeats, path: str) -> None:
        self._stream = stream
        self._heartbeats = heartbeats
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Pass the pieces on."""
        async for piece in self._stream.iter_chunked(size):
            self._heartbeats.hear(self._path)
            yield piece
