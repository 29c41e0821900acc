"""Makes the keys and certificates of a local control plane: one authority, made anew for each run."""

import base64
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=7)
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Files of a private key and its certificate."""

    key: Path
    certificate: Path


class Authority:
    """A certificate authority whose files live in one folder, readable by their owner alone."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, mode=0o700)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local control plane")])
        builder = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), True
        )
        self.certificate = directory / "ca.crt"
        write_private(self.certificate, self._sign(builder))

    def issue(self, name: str, group: str | None = None) -> KeyPair:
        """Issue a certificate for a server on loopback and for a client (user `name` in `group`) at once."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        addresses: list[x509.GeneralName] = [x509.DNSName(server) for server in _SERVER_NAMES]
        addresses.append(x509.IPAddress(ip_address("127.0.0.1")))
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            self._builder(x509.Name(attributes), key)
            .add_extension(x509.SubjectAlternativeName(addresses), False)
            .add_extension(x509.ExtendedKeyUsage(usages), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        )
        file_name = name.rpartition(":")[2]
        pair = KeyPair(self._directory / f"{file_name}.key", self._directory / f"{file_name}.crt")
        write_private(pair.key, _encode_key(key))
        write_private(pair.certificate, self._sign(builder))
        return pair

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + _LIFE)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def write_signing_key(path: Path) -> None:
    """Write the key that signs ServiceAccount tokens: RSA, as EKS has it, so that any token checker takes it."""
    write_private(path, _encode_key(rsa.generate_private_key(public_exponent=65537, key_size=2048)))


def write_kubeconfig(path: Path, *, server: str, authority: Path, client: KeyPair) -> None:
    """Write a kubeconfig that carries its certificates and names no other file."""
    cluster = {"server": server, "certificate-authority-data": _embed(authority)}
    user = {"client-certificate-data": _embed(client.certificate), "client-key-data": _embed(client.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": user}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "current-context": "local",
    }
    write_private(path, yaml.safe_dump(config).encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from the first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _encode_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _embed(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
