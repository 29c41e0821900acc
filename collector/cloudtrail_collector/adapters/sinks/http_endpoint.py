"""Turns bodies into POSTs to one server, and everything that keeps it from answering into a SinkError.

What all sinks that speak HTTP share: kept connections, one deadline for all of an exchange, gzip, credentials and
certificates that follow their Secrets, proxies as urllib finds them (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
"""

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import urlsplit

from isal import isal_zlib

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.http_connection import Answer, Post, Route, TooLateError, find_proxy
from cloudtrail_collector.adapters.http_pool import FAILURES, HttpPool
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.http_failures import explain_failure, explain_status, quote_answer
from cloudtrail_collector.adapters.sinks.http_tls import TlsFiles, TlsMaterial, TlsUnusableError
from cloudtrail_collector.core.sinks.retry_after import parse_retry_after
from cloudtrail_collector.errors import ACK_TIMEOUT, SecretMissingError, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.secrets import SecretValue
from cloudtrail_spec.sink_http import ClientTls, Headers, HttpAuth
from cloudtrail_spec.sink_kinds import Compression

MAX_ANSWER_BYTES = 1024 * 1024
GZIP_WINDOW = 31  # 15 bits of window + 16: a gzip header and trailer
# ISA-L's levels are 0 to 3. Event records shrink to a tenth with 1 already; 3 takes twice the time for little more.
GZIP_LEVEL = 1
SECRET_MISSING = "SecretMissing"  # noqa: S105  (a code of errors)
SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_VISIBLE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class SchemeAuth:
    """A secret behind a word of the server's own, such as `Authorization: ApiKey …`."""

    scheme: str
    secret: SecretValue


class HttpEndpoint:
    """A server that a sink POSTs to. Used by many threads; nothing is asked of anybody before the first POST."""

    def __init__(  # noqa: PLR0913  (each is an independent setting of a sink)
        self,
        sink: str,
        url: str,
        *,
        timeout_seconds: int,
        tls: ClientTls | None = None,
        auth: HttpAuth | SchemeAuth | None = None,
        headers: Headers = (),
        secrets: SecretFiles,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self._sink = sink
        self._url = urlsplit(url)
        self._route = Route(self._url)
        self._host = self._route.host
        self._path = self._url.path.rstrip("/")
        self._secrets = secrets
        self._auth = auth
        self._tls = TlsFiles(tls or ClientTls(), secrets) if self._url.scheme == "https" else None
        self._fixed_headers = {"Host": self._host, **_build_fixed_headers(headers)}
        self._secret_headers = [(one.name, one.secret_value) for one in headers if one.secret_value is not None]
        self._pool: tuple[TlsMaterial | None, HttpPool] | None = None
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Name and port of the server, for messages."""
        return self._host

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._pool is not None:
                self._pool[1].close()
            self._pool = None

    def post(  # noqa: PLR0913  (an HTTP request has so many parts)
        self,
        body: bytes | memoryview,
        content_type: str,
        *,
        path: str = "",
        query: str = "",
        compression: Compression = Compression.NONE,
        headers: Mapping[str, str] = _NO_HEADERS,
        deadline: float | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """POST and return the answer, whatever its status. Raises SinkError where there is none.

        `path` goes behind the URL's path, `query` behind its query. All is over at `deadline` (monotonic; None: after the
        sink's timeout), however the answer trickles; of an answer at most `max_answer_bytes` are returned.
        """
        deadline = time.monotonic() + self.timeout_seconds if deadline is None else deadline
        sent = {**self._fixed_headers, "Content-Type": content_type, **headers}
        if compression is Compression.GZIP:
            body = isal_zlib.compress(body, GZIP_LEVEL, GZIP_WINDOW)
            sent["Content-Encoding"] = "gzip"
        try:
            sent.update(self._read_headers())
            pool = self._find_pool()
        except SecretMissingError as error:
            raise self._misconfigured(SECRET_MISSING, str(error)) from error
        except TlsUnusableError as error:
            raise self._misconfigured(SECRET_UNUSABLE, str(error)) from error
        try:
            return pool.post(Post(body, sent, deadline, max_answer_bytes, self._build_target(path, query)))
        except FAILURES as error:
            raise self._build_failure(error, deadline) from error

    def raise_for_status(self, answer: Answer, *, said: str | None = None) -> None:
        """Raise a SinkError unless the status is 2xx.

        `said` is what the server says of it, where the caller can read that; else the beginning of the answer is quoted,
        without the secrets that were sent.
        """
        if not 200 <= answer.status < 300:
            self.fail(answer, said=said)

    def fail(self, answer: Answer, *, said: str | None = None) -> NoReturn:
        """Raise the SinkError of a status that accepts nothing."""
        message = explain_status(answer, self._host, self.quote(answer) if said is None else said)
        retry_after = parse_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise SinkError(self._sink, Reason.SINK_REJECTED, str(answer.status), message, retry_after=retry_after)

    def quote(self, answer: Answer) -> str:
        """Return the beginning of what the server said, on one line; it can hold what (masked) events hold."""
        try:
            return quote_answer(answer, list(self._read_secrets()))
        except SecretMissingError:
            return ""

    def _build_target(self, path: str, query: str) -> str:
        if not path and not query:
            return self._route.target
        whole = self._path + path if path else self._url.path
        queries = "&".join(part for part in (self._url.query, query) if part)
        return (whole or "/") + (f"?{queries}" if queries else "")

    def _read_headers(self) -> Iterator[tuple[str, str]]:
        """Read the headers that are secret. Raises SecretMissingError and SinkError."""
        for name, secret in self._secret_headers:
            yield name, self._read_visible(secret)
        auth = self._auth
        if auth is None:
            return
        if isinstance(auth, SchemeAuth):
            value = f"{auth.scheme} {self._read_visible(auth.secret)}"
        elif auth.bearer is not None:
            value = f"Bearer {self._read_visible(auth.bearer)}"
        else:
            value = f"Basic {base64.b64encode(self._read_basic(auth)).decode()}"
        yield "Authorization", value

    def _read_basic(self, auth: HttpAuth) -> bytes:
        if auth.basic is None:
            raise AssertionError  # the spec has one of them
        return auth.basic.username.encode() + b":" + self._secrets.read(auth.basic.password)

    def _read_visible(self, secret: SecretValue) -> str:
        value = self._secrets.read(secret)
        if not _VISIBLE.fullmatch(value):
            ref = secret.secret_key_ref
            text = f"key {ref.key} of Secret {ref.name} cannot stand in a header: it has characters that are not ASCII"
            raise self._misconfigured(SECRET_UNUSABLE, f"{text}, line breaks, or spaces around it")
        return value.decode("ascii")

    def _read_secrets(self) -> Iterator[bytes]:
        for _, value in self._read_headers():
            yield value.rpartition(" ")[2].encode()
        if isinstance(self._auth, HttpAuth) and self._auth.basic is not None:
            yield self._secrets.read(self._auth.basic.password)

    def _find_pool(self) -> HttpPool:
        """Find the connections that were made with the certificates and the key that the Secrets hold now."""
        material = self._tls.read() if self._tls is not None else None
        known = self._pool
        if known is not None and known[0] == material:
            return known[1]
        with self._lock:
            known = self._pool
            if known is None or known[0] != material:
                material, context = self._tls.build() if self._tls is not None else (None, None)
                if known is not None:
                    known[1].close()
                known = material, HttpPool(Route(self._url, context, find_proxy(self._url)))
                self._pool = known
            return known[1]

    def _build_failure(self, error: Exception, deadline: float) -> SinkError:
        if isinstance(error, TooLateError) or (isinstance(error, TimeoutError) and time.monotonic() >= deadline):
            message = f"no answer from {self._host} within {self.timeout_seconds} s"
            return SinkError(self._sink, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, message)
        message = explain_failure(error, self._describe_way())
        return SinkError(self._sink, Reason.SINK_UNREACHABLE, type(error).__name__, message)

    def _describe_way(self) -> str:
        proxy = find_proxy(self._url)
        return self._host if proxy is None else f"{self._host} (through proxy {proxy.hostname})"

    def _misconfigured(self, code: str, message: str) -> SinkError:
        return SinkError(self._sink, Reason.SINK_MISCONFIGURED, code, message)


def _build_fixed_headers(headers: Headers) -> dict[str, str]:
    """Build the headers that are always the same; a sink may have a User-Agent of its own."""
    fixed = {one.name: one.value for one in headers if one.value is not None}
    if not any(one.name.lower() == "user-agent" for one in headers):
        fixed["User-Agent"] = f"cloudtrail-collector/{__version__}"
    return fixed
