"""Our signatures are those of botocore's signer."""

from datetime import UTC, datetime
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.sigv4 import Keys, Scope, sign_post

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
_keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@given(_keys, _keys, st.none() | _keys, st.binary(max_size=200), st.sampled_from(["us-east-1", "us-gov-west-1"]))
def test_a_signature_equals_botocores(access: str, secret: str, token: str | None, body: bytes, region: str) -> None:
    headers = {
        "Host": "sqs.example.com:8443",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.ReceiveMessage",
    }
    request = AWSRequest("POST", "https://sqs.example.com:8443/", dict(headers), body)
    with mock.patch.object(auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        auth.SigV4Auth(Credentials(access, secret, token), "sqs", region).add_auth(request)
    ours = sign_post(headers, body, keys=Keys(access, secret, token), scope=Scope(region, "sqs"), now=NOW)
    assert ours == dict(request.headers.items())
