"""What gives a pod its credentials, played on loopback: an STS with short sessions, and EKS's Pod Identity agent."""

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode

from localcluster.aws import AwsEndpoint

Give = Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]


class CredentialServer:
    """Answers GET and POST with what `give` says; `given` counts the answers that were not errors."""

    def __init__(self, give: Give) -> None:
        self.given = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = give(self)
                server.given += status == 200
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def short_lived_sts(aws: AwsEndpoint, seconds: int) -> CredentialServer:
    """Pass AssumeRoleWithWebIdentity on to a stand-in for AWS, for sessions that end after so many seconds."""

    def give(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        form = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        return _assume(aws, form | {"DurationSeconds": [str(seconds)]})

    return CredentialServer(give)


def pod_identity_agent(aws: AwsEndpoint, role_arn: str, token_file: Path, seconds: int) -> CredentialServer:
    """Give sessions of a role to whoever shows the token that is in the file now."""

    def give(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        token = request.headers["Authorization"]
        if token != token_file.read_text():
            return 401, b"unauthorized"
        names = {"RoleArn": role_arn, "RoleSessionName": "pod", "WebIdentityToken": token}
        action = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "DurationSeconds": str(seconds)}
        status, answer = _assume(aws, {name: [value] for name, value in (names | action).items()})
        keys = dict(re.findall("<([A-Za-z]+)>([^<]+)</", answer.decode()))
        fields = {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey", "Expiration")}
        return status, json.dumps(fields | {"Token": keys["SessionToken"]}).encode()

    return CredentialServer(give)


def _assume(aws: AwsEndpoint, form: dict[str, list[str]]) -> tuple[int, bytes]:
    """Ask past boto3, which would not let a session be shorter than AWS allows."""
    try:
        with urllib.request.urlopen(aws.url, urlencode(form, doseq=True).encode(), timeout=5) as answer:  # noqa: S310
            return 200, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
