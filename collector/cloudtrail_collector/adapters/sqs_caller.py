"""Calls SQS: JSON 1.0 over kept-alive connections, at a quarter of the CPU that boto3 takes for the same.

boto3 finds the endpoint and the credentials, and its exceptions carry what goes wrong, so that an error reads the same
whoever met it. Proxies come from the variables that boto3 reads (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); trusted are boto3's
certificates or those of AWS_CA_BUNDLE.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from botocore import exceptions
from botocore.httpsession import get_cert_path

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.http_connection import Answer, Post, Route, TooLateError, find_proxy
from cloudtrail_collector.adapters.http_pool import FAILURES, HttpPool
from cloudtrail_collector.core.sigv4 import Keys, Scope, sign_post

# For a call with its second attempt; a receive may wait for messages besides.
CALL_SECONDS = 10.0
ATTEMPTS = 2

Observe = Callable[[str, float], None]


class SqsCaller:
    """Makes calls; used by many threads. `observe` is told of each: its action, and how many seconds it took."""

    def __init__(self, clients: AwsClients, observe: Observe) -> None:
        self._endpoint = clients.sqs.meta.endpoint_url
        self._scope = Scope(clients.sqs.meta.region_name, "sqs")
        self._credentials = clients.credentials
        self._observe = observe
        self._ca_bundle = clients.ca_bundle
        self._url = urlsplit(self._endpoint.rstrip("/") + "/")
        self._host = Route(self._url).host
        self._pool: HttpPool | None = None

    def close(self) -> None:
        """Close the connections; a caller that lives as long as its process need not be closed."""
        if self._pool is not None:
            self._pool.close()

    def call(self, operation: str, arguments: Mapping[str, Any], *, wait_seconds: float = 0.0) -> Any:
        """Make a call and return what was answered; tries once more, at once, where that may help.

        Raises botocore's exceptions, and AwsError where there are no credentials.
        """
        body = json.dumps(arguments).encode()
        deadline = time.monotonic() + wait_seconds + CALL_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            started = time.monotonic()
            try:
                answer = self._send(operation, body, deadline)
            except exceptions.BotoCoreError:
                if attempt == ATTEMPTS or time.monotonic() >= deadline:
                    raise
                continue
            finally:
                self._observe(operation, time.monotonic() - started)
            if answer.status < 500 or attempt == ATTEMPTS:
                break
        return _read_answer(answer, operation)

    def _send(self, operation: str, body: bytes, deadline: float) -> Answer:
        frozen = self._credentials.get_frozen_credentials()
        headers = {
            "Host": self._host,
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{operation}",
        }
        keys = Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)
        signed = sign_post(headers, body, keys=keys, scope=self._scope, now=datetime.now(UTC))
        signed["User-Agent"] = f"cloudtrail-collector/{__version__}"
        pool = self._find_pool()
        try:
            return pool.post(Post(body, signed, deadline))
        except FAILURES as error:
            raise self._translate(error) from error

    def _find_pool(self) -> HttpPool:
        """A bundle of certificates that cannot be read is an error of the request, as it is for boto3, not of the start."""
        if self._pool is None:
            try:
                self._pool = HttpPool(_build_route(self._url, self._ca_bundle))
            except OSError as error:
                raise exceptions.SSLError(endpoint_url=self._endpoint, error=error) from error
        return self._pool

    def _translate(self, error: Exception) -> exceptions.BotoCoreError:
        known: Any = exceptions.EndpointConnectionError
        if isinstance(error, TooLateError):
            known = exceptions.ReadTimeoutError
        elif isinstance(error, TimeoutError):
            known = exceptions.ConnectTimeoutError
        elif isinstance(error, ssl.SSLError):
            known = exceptions.SSLError
        elif isinstance(error, http.client.HTTPException):
            known = exceptions.ConnectionClosedError
        failure: exceptions.BotoCoreError = known(endpoint_url=self._endpoint, error=error)
        return failure


def _build_route(url: SplitResult, ca_bundle: str | None) -> Route:
    tls = ssl.create_default_context(cafile=ca_bundle or str(get_cert_path(True))) if url.scheme == "https" else None
    return Route(url, tls, find_proxy(url))


def _read_answer(answer: Answer, operation: str) -> Any:
    try:
        document = json.loads(answer.body or b"{}")
    except ValueError:
        document = None
    if answer.status == 200 and isinstance(document, dict):
        return document
    raise exceptions.ClientError(_read_error(answer, document if isinstance(document, dict) else {}), operation)


def _read_error(answer: Answer, document: Mapping[str, Any]) -> Any:
    """Read an error. The query header begins with the code that SQS gave before it spoke JSON; boto3 gives that, too."""
    code = answer.headers.get("x-amzn-query-error", "").partition(";")[0]
    message = document.get("message") or document.get("Message") or f"HTTP status {answer.status}"
    return {
        "Error": {
            "Code": code or str(document.get("__type", answer.status)).rpartition("#")[2],
            "Message": str(message),
        },
        "ResponseMetadata": {"HTTPStatusCode": answer.status},
    }
