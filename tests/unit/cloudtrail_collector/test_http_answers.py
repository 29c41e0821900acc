"""What is made of answers that accept nothing, and of requests that get none."""

import ssl
from datetime import UTC, datetime
from email.message import Message
from http.client import BadStatusLine, IncompleteRead, LineTooLong

import pytest

from cloudtrail_collector.adapters.http_connection import Answer
from cloudtrail_collector.adapters.sinks.http_failures import explain_failure, quote_answer
from cloudtrail_collector.core.sinks.retry_after import parse_retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, 999_999_999),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90),
        ("Saturday, 21-Nov-26 12:01:30 GMT", 90),
        ("Sat Nov 21 12:01:30 2026", 90),
        ("Sat, 21 Nov 2026 11:59:00 GMT", 0),
        ("Sat, 99 Nov 2026 11:59:00 GMT", None),
    ],
)
def test_a_pause_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


def _refuse_certificate(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_refuse_certificate(10, "certificate has expired"), "the certificate of siem:443 has expired"),
        (
            _refuse_certificate(62, "Hostname mismatch"),
            "the certificate of siem:443 is for another name (Hostname mismatch)",
        ),
        (ssl.SSLEOFError(8, "EOF occurred"), "siem:443 closed the connection before it had answered"),
        (ConnectionResetError(104, "reset"), "siem:443 closed the connection before it had answered"),
        (IncompleteRead(b""), "siem:443 closed the connection before it had answered"),
        (BadStatusLine("SSH-2.0"), "siem:443 does not answer in HTTP"),
        (TimeoutError(), "no connection to siem:443 within 5 s"),
        (OSError(113, "No route to host"), "no answer from siem:443 (No route to host)"),
        (ConnectionError("the proxy answered 407"), "no answer from siem:443 (the proxy answered 407)"),
        (LineTooLong("header"), "no answer from siem:443 (LineTooLong)"),
    ],
)
def test_a_failure_is_told_in_plain_words(error: Exception, said: str) -> None:
    assert explain_failure(error, "siem:443") == said


def test_what_is_quoted_is_short_one_line_and_without_secrets() -> None:
    body = b"key t0ken\x00\x1b[1m is\r\n\xffwrong\xe2\x80\xa8" + b"x" * 10_000
    quote = quote_answer(Answer(403, Message(), body), [b"t0ken"])
    assert quote.startswith("key *** [1m is \ufffdwrong xxx")
    assert len(quote) == 200
