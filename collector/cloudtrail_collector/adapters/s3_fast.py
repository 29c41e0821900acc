"""GetObject by obstore, at a tenth of boto3's CPU. It says no more than that something failed: the caller then asks boto3.

Proxies come from the same variables that boto3 reads (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); trusted are boto3's certificates
or those of AWS_CA_BUNDLE, and besides them those of the system.
"""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from botocore.credentials import ReadOnlyCredentials
from botocore.httpsession import get_cert_path
from obstore.exceptions import BaseError
from obstore.store import S3Store

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.credentials import LateCredentials

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, S3Credential

# Besides obstore's own: no such object, and a key or certificate that it refuses.
FAILURES = (BaseError, OSError, ValueError)
_ODD_SEGMENTS = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is: the base URL, and the region that requests are signed for."""

    endpoint: str
    region: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a connection stands, between two pieces of an answer, and for all of it."""

    connect: float
    read: float
    whole: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """A store with what it was made of. Other keys or another address make another store."""

    keys: ReadOnlyCredentials = field(repr=False)
    address: Address
    store: S3Store


class FastReads:
    """A store for each bucket."""

    def __init__(self, credentials: LateCredentials, home: Address, timeouts: Timeouts, ca_bundle: str | None) -> None:
        self._credentials = credentials
        self._home = home
        self._timeouts = timeouts
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._moved: dict[str, Address] = {}

    def open(self, bucket: str, key: str) -> "GetResult":
        """Ask for an object and return when its length is known. Raises one of FAILURES, or AwsError."""
        return obstore.get(self._find_store(bucket), key)

    def locate(self, bucket: str) -> Address:
        """Return where a bucket is read from."""
        return self._moved.get(bucket, self._home)

    def move(self, bucket: str, address: Address) -> None:
        """Read a bucket from where it was found."""
        self._moved[bucket] = address

    def _find_store(self, bucket: str) -> S3Store:
        """Find or build the store for the keys that are valid now: renewing them is this thread's work, not obstore's."""
        keys = self._credentials.get_frozen_credentials()
        address = self.locate(bucket)
        entry = self._entries.get(bucket)
        if entry is not None and entry.keys == keys and entry.address == address:
            return entry.store
        with self._lock:
            entry = self._entries.get(bucket)
            if entry is None or entry.keys != keys or entry.address != address:
                entry = _Entry(keys, address, self._build_store(bucket, address, keys))
                self._entries[bucket] = entry
            return entry.store

    def _build_store(self, bucket: str, address: Address, keys: ReadOnlyCredentials) -> S3Store:
        """Build a store that takes nothing from the environment: obstore reads AWS's variables in its own way."""
        return S3Store(
            bucket,
            aws_endpoint_url_s3=address.endpoint,
            region=address.region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            credential_provider=lambda: _convert(keys),
            client_options=self._build_client_options(),
            # boto3 is the second try.
            retry_config={"max_retries": 0},
        )

    def _build_client_options(self) -> "ClientConfig":
        return {
            "allow_http": True,
            "user_agent": f"cloudtrail-collector/{__version__}",
            "root_certificate": Path(self._ca_bundle or str(get_cert_path(True))).read_bytes(),
            "connect_timeout": timedelta(seconds=self._timeouts.connect),
            "read_timeout": timedelta(seconds=self._timeouts.read),
            "timeout": timedelta(seconds=self._timeouts.whole),
        }


def _convert(keys: ReadOnlyCredentials) -> "S3Credential":
    """Give obstore keys that it may keep: the store goes when they do."""
    return {
        "access_key_id": keys.access_key or "",
        "secret_access_key": keys.secret_key or "",
        "token": keys.token,
        "expires_at": None,
    }


def is_plain(key: str) -> bool:
    """Tell whether obstore sends a key as it is. It drops slashes at the ends and refuses the other odd keys."""
    return key.isprintable() and not _ODD_SEGMENTS.intersection(key.split("/"))
