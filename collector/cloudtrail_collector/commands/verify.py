"""The command `verify`: proves by digest files that log files are complete and unaltered, or says what is not proven."""

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.evidence import BucketEvidence, FolderEvidence, Relocation
from cloudtrail_collector.adapters.public_keys import GivenKeys, PublishedKeys
from cloudtrail_collector.commands.aws_access import build_clients, reach_bucket
from cloudtrail_collector.commands.report import explain_stop
from cloudtrail_collector.commands.verify_report import VerifyReport
from cloudtrail_collector.commands.verify_section import Means, verify_section
from cloudtrail_collector.core.integrity.chain import Period
from cloudtrail_collector.core.integrity.digest_verdict import Place
from cloudtrail_collector.core.integrity.sections import NoTrailError, Section, SectionSelection, find_sections
from cloudtrail_collector.core.integrity.signature import PublicKeyError, parse_public_keys
from cloudtrail_collector.errors import AwsError, ConfigurationError
from cloudtrail_collector.ports import EvidenceStore, KeySource
from cloudtrail_spec.interval import IntervalError, parse_interval

WRONG_USE, INTERRUPTED = 2, 130
READERS = 16


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where objects are, and as what they were signed."""

    store: EvidenceStore
    place: Place


def run_verify(options: Namespace) -> int:
    """Run the command; returns the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _verify(options)
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return WRONG_USE
    except (AwsError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read has seen enough; Python would complain when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"stopped: {_explain(error)}", file=sys.stderr)  # noqa: T201
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _verify(options: Namespace) -> int:
    period = _read_period(options.interval)
    clients = cache(lambda: build_clients(reach_bucket(options)))
    scene = _open_folder(options) if not options.place.startswith("s3://") else _open_bucket(options, clients)
    keys = _find_keys(options, period, clients)
    sections = _list_sections(options, scene)
    pool = ThreadPoolExecutor(READERS)
    try:
        with VerifyReport(scene.store, is_json=options.output == "json") as report:
            means = Means(scene.store, keys, scene.place, period, pool, report)
            for section in sections:
                verify_section(section, means)
            report.finish()
            return report.code
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read_period(text: str) -> Period:
    now = datetime.now(UTC)
    try:
        interval = parse_interval(text, now)
    except IntervalError as error:
        raise ConfigurationError([f"--interval {error}"]) from error
    if interval.start >= now:
        raise ConfigurationError([f"--interval {text}: it has not begun yet"])
    return Period(interval.start, min(interval.end, now), now)


def _open_bucket(options: Namespace, clients: Callable[[], AwsClients]) -> _Scene:
    bucket, prefix = _parse_place(options.place)
    partition = reach_bucket(options).partition
    if options.copy_of is None:
        return _Scene(BucketEvidence(clients().s3, partition, bucket), Place(bucket, prefix))
    origin, origin_prefix = _parse_place(options.copy_of)
    relocation = Relocation(origin, _end(origin_prefix), _end(prefix))
    return _Scene(BucketEvidence(clients().s3, partition, bucket, relocation), Place(origin, _end(origin_prefix)))


def _open_folder(options: Namespace) -> _Scene:
    root = Path(options.place)
    if not root.is_dir():
        hint = "" if "://" not in options.place else "; write a folder or s3://bucket/prefix"
        raise ConfigurationError([f"{options.place}: no such folder{hint}"])
    origin, prefix = _parse_place(options.copy_of) if options.copy_of else (None, "")
    return _Scene(FolderEvidence(root, Relocation(origin, _end(prefix), "")), Place(origin, _end(prefix)))


def _parse_place(text: str) -> tuple[str, str]:
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not bucket or not text.startswith("s3://"):
        raise ConfigurationError([f"{text}: name a bucket, s3://bucket or s3://bucket/prefix"])
    return bucket, prefix


def _end(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _find_keys(options: Namespace, period: Period, clients: Callable[[], AwsClients]) -> KeySource:
    if options.public_keys is not None:
        try:
            return GivenKeys(parse_public_keys(options.public_keys.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, PublicKeyError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigurationError([f"--public-keys {options.public_keys}: {said}"]) from error
    return PublishedKeys(clients, options.endpoint_url, period)


def _list_sections(options: Namespace, scene: _Scene) -> tuple[Section, ...]:
    selection = SectionSelection(options.accounts, options.regions)
    try:
        sections = tuple(find_sections(scene.place.prefix, selection, scene.store.list_folder))
    except NoTrailError as error:
        raise ConfigurationError([str(error)]) from error
    if not sections:
        raise ConfigurationError(
            [f"{options.place}: no trail's folders (AWSLogs/account/CloudTrail/region) that are asked for"]
        )
    absent = [
        *sorted((options.accounts or frozenset()) - {section.account_id for section in sections}),
        *sorted((options.regions or frozenset()) - {section.region for section in sections}),
    ]
    if absent:
        raise ConfigurationError([f"{options.place}: has no folders of {name}" for name in absent])
    return sections


def _explain(error: Exception) -> str:
    if not isinstance(error, AwsError):
        return str(error)
    hint = "; --public-keys FILE does without" if error.action == "cloudtrail:ListPublicKeys" else ""
    return f"{explain_stop(error)}{hint}"
