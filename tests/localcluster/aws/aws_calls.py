"""Turns an HTTP request into the AWS call that it is, and an error into the form in which the called service answers.

SQS speaks JSON 1.0 and names the action in X-Amz-Target; STS takes forms with an Action; everything else is S3, path style.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

Service = Literal["s3", "sqs", "sts"]
REQUEST_ID = "00000000-0000-4000-8000-000000000000"
_SCOPE = re.compile("Credential=[^/]+/[0-9]+/([^/]+)/")
_OBJECT_ACTIONS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of AWS. `bucket` and `key` (decoded) are S3's; `arguments` are those of SQS and STS.

    `signed_for` is the region of its signature, "" without one.
    """

    service: Service
    action: str
    bucket: str = ""
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    signed_for: str = ""

    @property
    def subject(self) -> str:
        """What the call is about: the object, or else only the action."""
        return f"{self.bucket}/{self.key}" if self.key else self.action


def read_call(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Call:
    """Tell what a request asks for. Header names are lower case."""
    scope = _SCOPE.search(headers.get("authorization", ""))
    region = scope[1] if scope else ""
    json_target = headers.get("x-amz-target")
    if json_target is not None:
        return Call("sqs", json_target.rpartition(".")[2], arguments=json.loads(body or b"{}"), signed_for=region)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if "Action" in form:
            return Call("sts", form["Action"], arguments=form, signed_for=region)
    url = urlsplit(target)
    bucket, _, key = url.path.removeprefix("/").partition("/")
    action = _OBJECT_ACTIONS.get(method, method) if key else f"{method} {'?' + url.query if url.query else 'bucket'}"
    return Call("s3", action, unquote(bucket), unquote(key), signed_for=region)


def build_error(service: Service, status: int, code: str, message: str) -> tuple[str, bytes]:
    """Build content type and body of an error."""
    if service == "sqs":
        document = {"__type": f"com.amazonaws.sqs#{code}", "message": message}
        return "application/x-amz-json-1.0", json.dumps(document).encode()
    about = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{about}<RequestId>{REQUEST_ID}</RequestId></Error>'
        return "application/xml", body.encode()
    kind = "Sender" if status < 500 else "Receiver"
    name_space = "https://sts.amazonaws.com/doc/2011-06-15/"
    error = f"<Error><Type>{kind}</Type>{about}</Error><RequestId>{REQUEST_ID}</RequestId>"
    return "text/xml", f'<ErrorResponse xmlns="{name_space}">{error}</ErrorResponse>'.encode()
