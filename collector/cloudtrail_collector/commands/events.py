"""The command `events`: reads log files from a path, a bucket or a queue, and prints their events, one a line."""

import os
import re
import signal
import sys
from argparse import Namespace
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from types import FrameType
from typing import NoReturn

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.commands.config_file import read_pipeline
from cloudtrail_collector.commands.filter_expression import parse_filters
from cloudtrail_collector.commands.inputs import Input, Inputs, LocalInputs
from cloudtrail_collector.commands.report import Reporter, explain_stop
from cloudtrail_collector.commands.treatment import Treated, Treatment, TreatmentSpec
from cloudtrail_collector.core.log_file import read_log_file
from cloudtrail_collector.core.log_prefixes import LogSelection
from cloudtrail_collector.core.rejection import LogFileRejectedError
from cloudtrail_collector.errors import AwsError, ConfigurationError, SecretMissingError
from cloudtrail_collector.settings import read_settings
from cloudtrail_spec.filters import FilterRule, RuleSet
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.interval import IntervalError, parse_interval
from cloudtrail_spec.masks import MaskPreset, MaskRule
from cloudtrail_spec.pipeline import PipelineSpec

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
# A person's files are read whatever their size, in pieces; this ends what never ends.
MAX_BYTES = 16 * 1024**3
_UNREADABLE = (AwsError, OSError, LogFileRejectedError)


def run_events(options: Namespace) -> int:
    """Run the command; returns the exit code."""
    # A stop from outside gives messages back, too.
    signal.signal(signal.SIGTERM, _interrupt)
    reporter = Reporter()
    try:
        pipeline = read_pipeline(options.config) if options.config else None
        treatment = _build_treatment(options, pipeline)
        inputs = _open_inputs(options, _build_selection(options), pipeline, reporter)
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return WRONG_USE
    except AwsError as error:
        print(explain_stop(error), file=sys.stderr)  # noqa: T201
        return FAILED
    return _print_events(inputs, treatment, reporter, options.limit)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _build_selection(options: Namespace) -> LogSelection:
    try:
        interval = parse_interval(options.interval, datetime.now(UTC)) if options.interval else None
    except IntervalError as error:
        raise ConfigurationError([f"--interval {error}"]) from error
    return LogSelection(options.accounts, options.regions, interval)


def _build_treatment(options: Namespace, pipeline: PipelineSpec | None) -> Treatment:
    rules: tuple[FilterRule, ...] = pipeline.filters if pipeline else ()
    masks: tuple[MaskRule, ...] = pipeline.mask if pipeline else ()
    raw = pipeline.raw if pipeline else None
    form = options.format or (pipeline.format if pipeline else EventFormat.RAW)
    spec = TreatmentSpec(
        rules=(*rules, *(FilterRule(name=name, rule_set=RuleSet(name)) for name in options.rule_set)),
        wanted=parse_filters(options.filter),
        masks=(*masks, *(MaskRule(preset=MaskPreset(name)) for name in options.mask)),
        format=EventFormat(form),
        raw=raw or RawOptions(),
        source="command line",
    )
    folder = read_settings(os.environ).secrets_directory
    try:
        return Treatment(spec, SecretFiles(folder).read)
    except SecretMissingError as error:
        raise ConfigurationError(
            [f"{error} (in {folder}; CLOUDTRAIL_SECRETS_DIRECTORY names another folder)"]
        ) from error
    except ValueError as error:
        raise ConfigurationError([str(error)]) from error


def _open_inputs(
    options: Namespace, selection: LogSelection, pipeline: PipelineSpec | None, reporter: Reporter
) -> Inputs:
    place = str(options.place)
    is_queue = place.startswith("sqs://") or re.match("arn:[^:]+:sqs:|https?://", place) is not None
    if options.delete and not is_queue:
        raise ConfigurationError(["--delete is for queues only"])
    if not is_queue and not place.startswith("s3://"):
        return LocalInputs(place, selection)
    # boto3 takes half a second to load.
    from cloudtrail_collector.commands.aws_inputs import open_bucket, open_queue  # noqa: PLC0415

    if is_queue:
        buckets = pipeline.buckets if pipeline else None
        return open_queue(options, selection, buckets, reporter.complain)
    return open_bucket(options, selection)


def _print_events(inputs: Inputs, treatment: Treatment, reporter: Reporter, limit: int | None) -> int:
    """Print until the end, the limit, or a stop by the user or the reader; returns the exit code."""
    reporter.start(inputs.total)
    code = 0
    try:
        with closing(iter(inputs)) as each:
            for one in each:
                if not _print_one(one, treatment, reporter, limit):
                    inputs.note_failure()
                reporter.advance()
                if limit is not None and reporter.tally.printed >= limit:
                    break
    except AwsError as error:
        reporter.complain("stopped", explain_stop(error))
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        code = INTERRUPTED
    reporter.stop()
    tally = reporter.tally
    return code or (FAILED if tally.failures or tally.broken_records else 0)


def _print_one(one: Input, treatment: Treatment, reporter: Reporter, limit: int | None) -> bool:
    """Print the events of a log file; tells whether all of them were read and printed."""
    tally = reporter.tally
    tally.files += 1
    try:
        file = read_log_file(one.load(), MAX_BYTES)
    except _UNREADABLE as error:
        reporter.complain(one.name, _describe(error))
        return False
    is_whole = True
    steps = treatment.treat(file, one.bucket, one.key)
    while True:
        try:
            step = next(steps, None)
        except LogFileRejectedError as error:
            reporter.complain(one.name, error)
            return False
        if step is None:
            return is_whole
        is_whole = _print_step(step, one, reporter, limit) and is_whole


def _print_step(step: Treated, one: Input, reporter: Reporter, limit: int | None) -> bool:
    tally = reporter.tally
    text, number = step.text, step.count
    if limit is not None and tally.printed + number > limit:
        number = limit - tally.printed
        text = b"".join(islice(step.text.splitlines(keepends=True), number))
    reporter.print(text)
    tally.read += step.read
    tally.printed += number
    tally.dropped.update(step.dropped)
    tally.unwanted += step.unwanted
    for lost in step.broken:
        reporter.complain_of_record(f"{one.name}: record {lost.index}", lost.error)
    return number == step.count and not step.broken


def _describe(error: Exception) -> str:
    """Say what is wrong, without the path that stands before it."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
