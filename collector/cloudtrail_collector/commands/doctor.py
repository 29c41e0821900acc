"""The command `doctor`: asks AWS about each part of a source's set-up, and prints what was found as it comes."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.setup_inquiry import AwsInquiry, ask_identity
from cloudtrail_collector.adapters.sqs import build_url
from cloudtrail_collector.commands.aws_access import ATTEMPTS, CONNECTIONS
from cloudtrail_collector.commands.config_file import read_pipeline
from cloudtrail_collector.commands.doctor_report import JsonReport, TextReport
from cloudtrail_collector.core.doctor.facts import Answer, Seen, Subject
from cloudtrail_collector.core.doctor.identity import judge_identity, judge_role
from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_collector.pipeline.examination import examine
from cloudtrail_spec.pipeline import AssumedRole, Mode, PipelineSpec
from cloudtrail_spec.report import SetupFinding, SetupVerdict
from cloudtrail_spec.source import CloudTrailSourceSpec

SICK, WRONG, INTERRUPTED = 1, 2, 130


def run_doctor(options: Namespace) -> int:
    """Run the command; returns the exit code."""
    report = (JsonReport if options.output == "json" else TextReport)()
    is_sick = False
    try:
        for finding in _examine(options):
            report.add(finding)
            is_sick = is_sick or finding.verdict is SetupVerdict.WRONG
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    report.end()
    return SICK if is_sick else 0


def _examine(options: Namespace) -> Iterator[SetupFinding]:
    """Find, one after the other. Raises ConfigurationError."""
    spec = _read_spec(options)
    _prepare(options, spec)
    plain = spec.model_copy(update={"assume_role": None})
    base = ask_identity(_connect(plain), plain)
    named = spec.role_arn if isinstance(spec, CloudTrailSourceSpec) else None
    yield judge_identity(base, named or os.environ.get("AWS_ROLE_ARN"))
    yield from _try_archives(plain, base)
    clients = _connect(spec)
    asker = ask_identity(clients, spec) if spec.assume_role and isinstance(base, Seen) else base
    if spec.assume_role:
        yield judge_role(spec.assume_role, base, asker)
    if not isinstance(asker, Seen):
        return
    subject = Subject(spec.queue_arn, build_url(spec), spec.prefix, asker.value)
    inquiry = AwsInquiry(clients, spec, subject)
    buckets = list(dict.fromkeys((spec.bucket, *spec.extra_buckets)))
    yield from examine(subject, buckets, inquiry, receives=not options.no_receive, deletes=spec.mode is Mode.ACTIVE)


def _try_archives(plain: PipelineSpec, base: Answer[str]) -> Iterator[SetupFinding]:
    """Assume the roles of the s3 sinks. Nothing is written with them."""
    for sink in plain.all_sinks:
        if sink.s3 is None:
            continue
        role = AssumedRole(role_arn=sink.s3.role_arn, external_id=sink.s3.external_id)
        changes = {"assume_role": role} | ({"endpoint_url": sink.s3.endpoint_url} if sink.s3.endpoint_url else {})
        spec = plain.model_copy(update=changes)
        answer = ask_identity(_connect(spec), spec) if isinstance(base, Seen) else base
        yield judge_role(role, base, answer, sink=sink.name)


def _read_spec(options: Namespace) -> PipelineSpec:
    spec = read_pipeline(options.file, options.name)
    return spec.model_copy(update={"endpoint_url": options.endpoint_url}) if options.endpoint_url else spec


def _prepare(options: Namespace, spec: PipelineSpec) -> None:
    if options.profile:
        os.environ["AWS_PROFILE"] = options.profile
    source = os.environ.get("CLOUDTRAIL_SOURCE", "")
    if not source:
        # A person at a machine of AWS may well be its role; a collector never is its node's.
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "false")
    prepare_environment(os.environ, spec, source)


def _connect(spec: PipelineSpec) -> AwsClients:
    """Make clients; nobody is asked yet. Raises ConfigurationError."""
    try:
        return AwsClients(spec, connections=CONNECTIONS, s3_attempts=ATTEMPTS)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError([str(error)]) from error
