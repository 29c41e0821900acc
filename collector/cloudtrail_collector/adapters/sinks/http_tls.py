"""Turns a sink's TLS settings into what ssl works with; Secrets that change are followed by whoever compares `read`."""

import ssl
from dataclasses import dataclass

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_spec.secrets import SecretValue
from cloudtrail_spec.sink_http import ClientTls

# Kubernetes changes the files of a Secret all at once, by switching a link: a second try is rare, a third never needed.
ATTEMPTS = 3


class TlsUnusableError(ValueError):
    """Certificates or keys that cannot be used; the text says whose."""


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What the Secrets hold, as PEM."""

    ca: bytes | None
    certificate: bytes | None
    private_key: bytes | None


class TlsFiles:
    """The certificates and the key of a sink, kept in Secrets."""

    def __init__(self, tls: ClientTls, secrets: SecretFiles) -> None:
        self._tls = tls
        self._secrets = secrets

    def read(self) -> TlsMaterial:
        """Read what there is now; costs a stat for each file. Raises SecretMissingError."""
        return TlsMaterial(
            self._read(self._tls.ca), self._read(self._tls.certificate), self._read(self._tls.private_key)
        )

    def build(self) -> tuple[TlsMaterial, ssl.SSLContext]:
        """Build a context, and say of what. Raises SecretMissingError and TlsUnusableError.

        ssl reads certificate and key from their files, by itself: they must be the same before and after.
        """
        failure = TlsUnusableError("the Secrets of the TLS settings change faster than they can be read")
        for _ in range(ATTEMPTS):
            material = self.read()
            try:
                context = self._build(material)
            except TlsUnusableError as error:
                failure = error
                continue
            if self.read() == material:
                return material, context
        raise failure

    def _build(self, material: TlsMaterial) -> ssl.SSLContext:
        context = self._trust(material.ca)
        certificate, key = self._tls.certificate, self._tls.private_key
        if certificate is None or key is None:
            return context
        try:
            # Without `password`, a key that has a passphrase would ask for it at the terminal.
            context.load_cert_chain(self._secrets.find(certificate), self._secrets.find(key), password=lambda: "")
        except (OSError, ValueError) as error:
            text = (
                f"{_name(certificate)} and {_name(key)} are no PEM certificate with its private key without a"
                f" passphrase ({_find_cause(error)})"
            )
            raise TlsUnusableError(text) from error
        return context

    def _trust(self, ca: bytes | None) -> ssl.SSLContext:
        if ca is None or self._tls.ca is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cadata=ca.decode("ascii"))
        except (OSError, ValueError) as error:
            text = f"{_name(self._tls.ca)} holds no PEM certificates ({_find_cause(error)})"
            raise TlsUnusableError(text) from error

    def _read(self, value: SecretValue | None) -> bytes | None:
        return None if value is None else self._secrets.read(value)


def _name(value: SecretValue) -> str:
    return f"key {value.secret_key_ref.key} of Secret {value.secret_key_ref.name}"


def _find_cause(error: Exception) -> str:
    """OpenSSL's own word where there is one; never a piece of a file."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return type(error).__name__
