"""Says what stands in the place of a hidden value: a text, or a keyed hash of the value."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cloudtrail_spec.masks import MaskPreset, MaskRule
from cloudtrail_spec.secrets import SecretValue

Replace: TypeAlias = Callable[[bytes], bytes]
ReadKey: TypeAlias = Callable[[SecretValue], bytes]

HASH_BYTES = 16  # 128 bits: two of 2^64 values share a hash, and it is no longer than a UUID
MIN_KEY_BYTES = 16
_REMEMBERED = 4096
# The first four characters of keys, role ids and tokens are left: they say what it was.
_PRESET_TEXTS = {
    MaskPreset.ACCESS_KEY_IDS: b"*" * 16,
    MaskPreset.ASSUMED_ROLE_IDS: b"*" * 16,
    MaskPreset.SESSION_TOKENS: b"****",
    MaskPreset.SOURCE_IPS: b"0.0.0.0",  # stores that check addresses take it
    MaskPreset.USER_NAMES: b"masked",
    MaskPreset.ACCOUNT_IDS: b"000000000000",
}


def refuse_keys(value: SecretValue) -> bytes:
    """Stand in for `read_key` where no Secret is at hand. Raises ValueError."""
    raise ValueError(f"hash needs a key, and Secret {value.secret_key_ref.name} is not at hand")


@dataclass(frozen=True, slots=True)
class Replacement:
    """From a value to what stands in its place; `is_plain` says that JSON needs no escapes for that, however deep."""

    replace: Replace
    is_plain: bool


def build_replacement(rule: MaskRule, read_key: ReadKey) -> Replacement:
    """Build a rule's replacement. Raises ValueError when a hash is wanted and its key is too short."""
    if rule.hash is not None:
        key = read_key(rule.hash.key)
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the key of a hash needs at least {MIN_KEY_BYTES} bytes, this one has {len(key)}")
        return Replacement(_build_hash(key), True)
    if rule.replacement is not None:
        text = rule.replacement.encode()
    else:
        text = b"" if rule.preset is None else _PRESET_TEXTS[rule.preset]
    is_plain = text.isascii() and text.decode().isprintable() and not set(b'"\\') & set(text)
    return Replacement(lambda _value: text, is_plain)


def _build_hash(key: bytes) -> Replace:
    @lru_cache(maxsize=_REMEMBERED)
    def replace(value: bytes) -> bytes:
        return hmac.digest(key, value, hashlib.sha256)[:HASH_BYTES].hex().encode()

    return replace
