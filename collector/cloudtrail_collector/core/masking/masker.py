"""The masker: compiled rules, the quick way over the text of a record, and the exact way behind it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stringzilla import Str

from cloudtrail_collector.core.masking.document import (
    Leaf,
    Span,
    UnmaskableRecordError,
    apply_spans,
    merge_spans,
    read_document,
    rewrite,
    walk,
)
from cloudtrail_collector.core.masking.known import KnownValueMask
from cloudtrail_collector.core.masking.literals import LiteralMask, Probe, build_probes
from cloudtrail_collector.core.masking.own import AccountIdMask, FieldMask, PatternMask
from cloudtrail_collector.core.masking.replacement import ReadKey, Replacement, build_replacement
from cloudtrail_spec.masks import MaskPreset, MaskRule

# Escapes behind which a value can hide from a search in the text of a record. Literals are ASCII, and so is what may
# follow them; other masks also ask what stands around a value.
_ESCAPE = re.compile(rb"\\[u/]")
_ESCAPE_OF_ASCII = re.compile(rb"\\(?:u00[0-7]|/)")


@dataclass(frozen=True, slots=True)
class MaskResult:
    """Records that may leave, in their order; how many of them were changed; and which of the input may not leave."""

    records: list[bytes]
    masked: int
    refused: list[int]


@dataclass(frozen=True, slots=True)
class MaskedText:
    """The lines that may leave; how many of them were changed; and the numbers of the lines that may not leave."""

    text: bytes
    masked: int
    refused: list[int]


class Mask(Protocol):
    """A compiled rule, or several in one."""

    def read_quickly(self, record: bytes) -> list[Span] | None:
        """Find what to hide in the text of a record, in order and apart; None when that is uncertain."""

    def study(self, leaves: Sequence[Leaf], /) -> Callable[[Leaf], Sequence[Span]]:
        """Look at all leaves of a record; returns what finds the spans of a leaf."""


def compile_masks(rules: Sequence[MaskRule], read_key: ReadKey) -> "Masker | None":
    """Compile rules; None when there are none. `read_key` reads the key of a hash, once.

    Raises ValueError, with the rule, when its pattern is none or its key too short, and what `read_key` raises.
    """
    return Masker(rules, read_key) if rules else None


class Masker:
    """Compiled masks. It keeps nothing between records and may be used by several threads."""

    def __init__(self, rules: Sequence[MaskRule], read_key: ReadKey) -> None:
        probes: list[Probe] = []
        masks: list[Mask] = []
        self._is_plain = True
        for number, rule in enumerate(rules):
            try:
                replacement = build_replacement(rule, read_key)
                masks += _compile(rule, replacement, probes)
            except ValueError as error:
                raise ValueError(f"mask[{number}] ({rule.preset or rule.name}): {error}") from error
            self._is_plain &= replacement.is_plain
        if probes:
            masks.insert(0, LiteralMask(probes))
        self._masks = masks
        self._rewrite_quickly: Callable[[bytes], bytes | None] = self._rewrite
        self._escape = _ESCAPE
        self._literals: LiteralMask | None = None
        if len(masks) == 1 and isinstance(masks[0], LiteralMask) and self._is_plain:
            self._rewrite_quickly = masks[0].rewrite_quickly
            self._escape = _ESCAPE_OF_ASCII
            self._literals = masks[0]

    def mask(self, records: Sequence[bytes]) -> MaskResult:
        """Mask records, each by itself. They must be JSON by the word of a decoder; what turns out to be none is refused."""
        masked = 0
        result: list[bytes] = []
        refused: list[int] = []
        rewrite_quickly, find_escape = self._rewrite_quickly, self._escape.search
        for index, record in enumerate(records):
            is_hidden = b"\\" in record and find_escape(record) is not None
            text = None if is_hidden else rewrite_quickly(record)
            if text is None:
                try:
                    text = self.mask_exactly(record)
                except UnmaskableRecordError:
                    refused.append(index)
                    continue
            result.append(text)
            if text is not record:
                masked += 1
        return MaskResult(result, masked, refused)

    def mask_lines(self, text: bytes) -> MaskedText:
        """Mask records that stand on a line each, the last one ended too; where it can, many of them at once.

        Only lines with an escape that might hide something, or that leave doubt, are taken one by one.
        """
        parts: list[bytes] = []
        masked, start = 0, 0
        refused: list[int] = []
        for escape in self._escape.finditer(text) if _has_escapes(text) else ():
            if escape.start() < start:
                continue
            line = text.rfind(b"\n", start, escape.start()) + 1 or start
            end = text.index(b"\n", escape.start()) + 1
            masked += self._mask_stretch(text, (start, line), parts, refused)
            masked += self._mask_one_by_one(text, (line, end), parts, refused)
            start = end
        masked += self._mask_stretch(text, (start, len(text)), parts, refused)
        return MaskedText(parts[0] if len(parts) == 1 else b"".join(parts), masked, refused)

    def _mask_stretch(self, text: bytes, stretch: tuple[int, int], parts: list[bytes], refused: list[int]) -> int:
        """Mask lines that have no escapes; returns how many were changed."""
        start, end = stretch
        if start == end:
            return 0
        rewritten = self._literals.rewrite_lines(text[start:end]) if self._literals else None
        if rewritten is None:
            return self._mask_one_by_one(text, stretch, parts, refused)
        parts.append(rewritten[0])
        return rewritten[1]

    def _mask_one_by_one(self, text: bytes, stretch: tuple[int, int], parts: list[bytes], refused: list[int]) -> int:
        start, end = stretch
        result = self.mask(text[start:end].split(b"\n")[:-1])
        if result.refused:
            first = text.count(b"\n", 0, start)
            refused += [first + index for index in result.refused]
        parts.append(b"\n".join([*result.records, b""]))
        return result.masked

    def mask_exactly(self, record: bytes) -> bytes:
        """Mask one record the exact way, which needs no other for its result. Raises UnmaskableRecordError."""
        leaves = read_document(record)
        finders = [mask.study(list(walk(leaves))) for mask in self._masks]
        return rewrite(record, leaves, lambda leaf: [span for find in finders for span in find(leaf)])

    def _rewrite(self, record: bytes) -> bytes | None:
        """Mask a record by its text; None when that is uncertain."""
        found: list[Span] = []
        for mask in self._masks:
            spans = mask.read_quickly(record)
            if spans is None:
                return None
            found += spans
        if found and not self._is_plain:
            return None
        return apply_spans(record, merge_spans(found))


def _has_escapes(text: bytes) -> bool:
    """Tell quickly whether it is worth looking."""
    whole = Str(text)
    return bool(whole.find(rb"\u") >= 0 or whole.find(rb"\/") >= 0)


def _compile(rule: MaskRule, replacement: Replacement, probes: list[Probe]) -> list[Mask]:
    """Compile a rule to a mask, or to probes of the mask that all such rules share."""
    replace = replacement.replace
    if rule.field is not None:
        return [FieldMask(rule.field, replace)]
    if rule.pattern is not None:
        return [PatternMask(rule.pattern, replace)]
    match rule.preset:
        case MaskPreset.SOURCE_IPS | MaskPreset.USER_NAMES as preset:
            return [KnownValueMask(preset, replace)]
        case MaskPreset.ACCOUNT_IDS:
            return [AccountIdMask(replace)]
        case MaskPreset() as preset:
            is_own = rule.replacement is not None or rule.hash is not None
            probes += build_probes(preset, replace, keeps_shape=not is_own, is_constant=rule.hash is None)
    return []
