"""The command `check`: lists the mistakes of a configuration, or explains it and shows what it does with sample events."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from cloudtrail_collector.commands.config_file import read_pipeline
from cloudtrail_collector.commands.explain import explain
from cloudtrail_collector.commands.inputs import LocalInputs
from cloudtrail_collector.commands.samples import build_samples
from cloudtrail_collector.core.dead_letter import Origin
from cloudtrail_collector.core.formats import build_format
from cloudtrail_collector.core.log_file import LogFile, read_log_file
from cloudtrail_collector.core.log_prefixes import LogSelection
from cloudtrail_collector.core.masking import Masker, compile_masks
from cloudtrail_collector.core.parcels import Outlet, pack
from cloudtrail_collector.core.record_split import split_document
from cloudtrail_collector.core.rejection import LogFileRejectedError
from cloudtrail_collector.core.selection import RecordSelector, Selection, SelectionRules
from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_spec.formats import RawOptions
from cloudtrail_spec.pipeline import PipelineSpec

FAILED, WRONG = 1, 2
MAX_BYTES = 1024**3
# Secrets are not at hand here, and what a hash looks like says nothing.
STAND_IN_KEY = b"a key that stands in for another"
_WIDTHS = (20, 26, 28, 22)
_HEAD = ("time", "event", "user", "decided by", "goes to")


def run_check(options: Namespace) -> int:
    """Run the command; returns the exit code."""
    try:
        spec = read_pipeline(options.config)
        trial = Trial(spec)
        records = _read_records(options.events) if options.events else build_samples()
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return WRONG
    except (OSError, LogFileRejectedError) as error:
        print(f"{options.events}: {error}", file=sys.stderr)  # noqa: T201
        return FAILED
    _say(f"{options.config} is valid\n", *explain(spec))
    _say(f"\n{'Sample events' if not options.events else f'Events of {options.events}'}\n", _build_row(_HEAD))
    _say(*(_build_row(trial.run(record)) for record in records))
    return 0


def _say(*lines: str) -> None:
    print(*lines, sep="\n")  # noqa: T201


def _build_row(cells: Sequence[str]) -> str:
    fixed = [f"{_fit(cell, width):<{width}}" for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join(["", *fixed, cells[-1]]).rstrip()


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _read_records(path: str) -> list[bytes]:
    return [record for one in LocalInputs(path, LogSelection()) for record in _split(one.load())]


def _split(body: Any) -> Iterator[bytes]:
    file = read_log_file(body, MAX_BYTES)
    if file.text is not None:
        yield from split_document(file.text)
        return
    for records in file.iterate_records():
        yield from records


class Trial:
    """A pipeline that is run over one record at a time."""

    def __init__(self, spec: PipelineSpec) -> None:
        """Compile. Raises ConfigurationError when something of the pipeline cannot be compiled."""
        rules = SelectionRules(spec.filters, [sink.field_selectors for sink in spec.sinks])
        try:
            masker = compile_masks(spec.mask, lambda _: STAND_IN_KEY)
            self._selector = RecordSelector(rules, masker)
            # What a rule decides is shown of every record, also of one that cannot be masked.
            self._masker: Masker | None = masker
            self._outlets = [
                Outlet(
                    sink.name,
                    build_format(sink.format or spec.format, sink.raw or spec.raw or RawOptions(), ""),
                    wants_envelopes=False,
                )
                for sink in spec.sinks
            ]
        except ValueError as error:
            raise ConfigurationError([str(error)]) from error

    def run(self, record: bytes) -> tuple[str, str, str, str, str]:
        """Return the cells of a row: time, name, user, the rule that decided, and the sinks that take it."""
        text = b"".join((b'{"Records":[', record, b"]}"))
        selection = next(self._selector.select(LogFile(text, len(text), text)))
        shown = self._mask(record)
        return (
            _read(shown, "eventTime"),
            _read(shown, "eventName"),
            _read_user(shown),
            _find_rule(selection),
            self._find_sinks(selection),
        )

    def _mask(self, record: bytes) -> dict[str, Any]:
        masked = [record] if self._masker is None else self._masker.mask([record]).records
        try:
            document = json.loads(masked[0]) if masked else {}
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def _find_sinks(self, selection: Selection) -> str:
        if any(selection.dropped.values()):
            return "dropped"
        parcels, lost = pack(selection, Origin("bucket", "key", ""), self._outlets)
        troubles = [f"{one.sink}: {one.error}" if one.sink else one.error for one in (*selection.broken, *lost)]
        taken = [parcel.sink for parcel in parcels]
        return "; ".join([", ".join(taken) or ("no sink" if not troubles else ""), *troubles]).lstrip("; ")


def _find_rule(selection: Selection) -> str:
    return next((name for counts in (selection.dropped, selection.passed) for name in counts), "no rule")


def _read(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else "-"


def _read_user(document: dict[str, Any]) -> str:
    """Name the identity: the end of its ARN, else the service or whatever is there."""
    identity = document.get("userIdentity")
    if not isinstance(identity, dict):
        return "-"
    arn = identity.get("arn")
    if isinstance(arn, str):
        return arn.rpartition(":")[2]
    found = (identity.get(name) for name in ("userName", "invokedBy", "principalId", "type"))
    return next((text for text in found if isinstance(text, str)), "-")
