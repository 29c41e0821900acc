"""Turns a JSON request to AWS into the headers that prove who asks: AWS's Signature Version 4.

botocore's signer serves every service and form of request and costs a tenth of a millisecond; this is the one form that SQS
takes: POST to the root, no query, few headers. Source: IAM user guide, "Create a signed AWS API request".
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is valid for."""

    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs. The token comes with temporary keys."""

    access_key: str
    secret_key: str
    token: str | None


def sign_post(headers: dict[str, str], body: bytes, *, keys: Keys, scope: Scope, now: datetime) -> dict[str, str]:
    """Return the headers of a POST to `/` with the date, the token and the signature added; `Host` must be among them."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "X-Amz-Date": stamp}
    if keys.token is not None:
        signed["X-Amz-Security-Token"] = keys.token
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in signed.items())
    names = ";".join(name for name, _ in lines)
    listed = "".join(f"{name}:{value}\n" for name, value in lines)
    canonical = f"POST\n/\n\n{listed}\n{names}\n{sha256(body).hexdigest()}"
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = f"{ALGORITHM}\n{stamp}\n{place}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in place.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{keys.access_key}/{place}"
    signed["Authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return signed
