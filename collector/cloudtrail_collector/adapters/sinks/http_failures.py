"""Turns what goes wrong with an HTTP exchange into words for people: exceptions, and statuses that accept nothing."""

import re
import socket
import ssl
from collections.abc import Iterable
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected, responses

from cloudtrail_collector.adapters.http_connection import CONNECT_SECONDS, Answer

QUOTE_CHARACTERS = 200
# Before it is cleaned; what is cut off may be white space.
_QUOTE_BYTES = 4096

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_EXPIRED = 10
_WRONG_HOST = (62, 64)
_WORDS = {
    401: "refuses the credentials",
    403: "refuses the credentials",
    404: "has nothing at this url",
    405: "takes no POST at this url",
    407: "is behind a proxy that refuses the credentials",
    429: "asks to slow down",
    503: "is not available now",
}

_CLOSING = (
    ConnectionResetError,
    BrokenPipeError,
    RemoteDisconnected,
    IncompleteRead,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
# The first that fits; what is not here is told in its own words.
_FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (socket.gaierror, "no address is found for {host}"),
    (TimeoutError, f"no connection to {{host}} within {CONNECT_SECONDS:g} s"),
    (ConnectionRefusedError, "{host} refuses connections"),
    (_CLOSING, "{host} closed the connection before it had answered"),
    (BadStatusLine, "{host} does not answer in HTTP"),
)


def explain_failure(error: Exception, host: str) -> str:
    """Say why there is no answer; `host` is whom we wanted to reach."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, _CLOSING):
        return _explain_tls(error, host)
    for kinds, words in _FAILURES:
        if isinstance(error, kinds):
            return words.format(host=host)
    cause = error.strerror or error if isinstance(error, OSError) else type(error).__name__
    return f"no answer from {host} ({cause})"


def _explain_tls(error: ssl.SSLError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return f"the certificate of {host} has expired"
        if error.verify_code in _WRONG_HOST:
            return f"the certificate of {host} is for another name ({error.verify_message})"
        return f"the certificate of {host} is not of an authority that is trusted ({error.verify_message})"
    cause = (error.reason or type(error).__name__).replace("_", " ").lower()
    if "alert" in cause and ("certificate" in cause or "unknown ca" in cause):
        return f"{host} refuses the client certificate ({cause})"
    if cause in ("wrong version number", "http request", "record layer failure"):
        return f"{host} does not speak TLS ({cause})"
    return f"TLS with {host} failed ({cause})"


def explain_status(answer: Answer, host: str, said: str) -> str:
    """Say what a status means that accepts nothing; `said` is what the server said of it, or empty."""
    status = f"{answer.status} {responses.get(answer.status, '')}".rstrip()
    if 300 <= answer.status < 400:
        location = clean(answer.headers.get("Location", "").partition("?")[0].encode("utf-8", "replace"))
        return f"{host} answers {status} and sends on to {location or 'nowhere'}: redirects are not followed"
    words = _WORDS.get(answer.status, "failed" if answer.status >= 500 else "refuses the request")
    return f"{host} {words} ({status})" + (f": {said}" if said else "")


def quote_answer(answer: Answer, secrets: Iterable[bytes] = ()) -> str:
    """Return the beginning of what a server said, on one line, without `secrets`; pages for browsers say nothing."""
    if "html" in answer.headers.get("Content-Type", "").lower():
        return ""
    body = answer.body[:_QUOTE_BYTES]
    for secret in secrets:
        body = body.replace(secret, b"***")
    return clean(body)


def clean(text: bytes) -> str:
    """Return the beginning of a text that may be shown: on one line and without control characters."""
    return _CONTROL.sub(" ", text.decode("utf-8", "replace")).strip()[:QUOTE_CHARACTERS]
