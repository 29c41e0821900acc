"""ServiceAccount tokens: RS256 JWTs with the claims of the real server, and the OIDC documents to check them with."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from localcluster.embedded.access import User, service_account_user
from localcluster.embedded.jsontypes import Json, dig, timestamp
from localcluster.embedded.store import Store


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int) -> str:
    return _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and the second it expires."""

    text: str
    expires: int

    def status(self) -> Json:
        """The status of a TokenRequest."""
        return {
            "token": self.text,
            "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.expires)),
        }


class TokenIssuer:
    """Signs tokens and recognises its own. The key lives as long as the server."""

    def __init__(self, issuer: str, store: Store) -> None:
        self.issuer = issuer
        self._store = store
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._key.public_key()
        numbers = self._public.public_numbers()
        self._jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "n": _number(numbers.n), "e": _number(numbers.e)}
        self._jwk["kid"] = _encode(hashlib.sha256(self._jwk["n"].encode()).digest())

    def issue(self, account: Json, spec: Json) -> IssuedToken:
        """Answer a TokenRequest for a ServiceAccount."""
        now = int(time.time())
        expires = now + int(spec.get("expirationSeconds") or 3600)
        name, namespace = account["metadata"]["name"], account["metadata"]["namespace"]
        bound: Json = {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}}
        reference = spec.get("boundObjectRef")
        if reference:
            bound[reference["kind"].lower()] = {"name": reference["name"], "uid": reference.get("uid", "")}
        claims = {
            "aud": spec.get("audiences") or [self.issuer],
            "exp": expires,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        header = {"alg": "RS256", "kid": self._jwk["kid"]}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return IssuedToken(f"{signed}.{_encode(signature)}", expires)

    def user_of(self, token: str) -> User | None:
        """The user of a token that this issuer signed for this API and that still holds; None for any other."""
        claims = self._verified_claims(token)
        if claims is None or self.issuer not in claims["aud"] or claims["exp"] < time.time():
            return None
        bound = claims["kubernetes.io"]
        account = self._store.get(("", "serviceaccounts"), bound["namespace"], bound["serviceaccount"]["name"])
        if account is None or account["metadata"]["uid"] != bound["serviceaccount"]["uid"]:
            return None
        pod = bound.get("pod")
        if pod:
            found = self._store.get(("", "pods"), bound["namespace"], pod["name"])
            if dig(found, "metadata", "uid") != pod["uid"]:
                return None
        return service_account_user(bound["namespace"], account["metadata"]["name"], account["metadata"]["uid"])

    def _verified_claims(self, token: str) -> Json | None:
        signed, _, signature = token.rpartition(".")
        try:
            self._public.verify(_decode(signature), signed.encode(), padding.PKCS1v15(), SHA256())
            claims: Json = json.loads(_decode(signed.split(".")[1]))
        except (InvalidSignature, ValueError, IndexError):
            return None
        return claims

    def discovery(self) -> Json:
        """/.well-known/openid-configuration."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> Json:
        """/openid/v1/jwks."""
        return {"keys": [self._jwk]}


def token_request(account: Json, spec: Json, token: IssuedToken) -> Json:
    """The answer to POST …/serviceaccounts/NAME/token."""
    metadata = {
        "name": account["metadata"]["name"],
        "namespace": account["metadata"]["namespace"],
        "creationTimestamp": timestamp(),
    }
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": spec,
        "status": token.status(),
    }
