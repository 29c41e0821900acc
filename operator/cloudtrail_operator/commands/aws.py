"""`cloudtrail-operator aws policy|trust|cloudformation|terraform|doctor`: a manifest → what must exist in AWS.

Exit codes: 0, 1 when files could not be written, 2 when arguments or the manifest are wrong; every mistake is listed.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cloudtrail_operator.aws_setup.cloudformation import build_template
from cloudtrail_operator.aws_setup.documents import Document, to_json
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy, build_role_policy, list_archives
from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.stack import plan_stack
from cloudtrail_operator.aws_setup.terraform import build_module
from cloudtrail_operator.aws_setup.trust import build_archive_trust, build_assumed_trust, build_pod_trust
from cloudtrail_operator.commands.aws_arguments import build_parser, read_choices, read_identity, read_surroundings
from cloudtrail_operator.commands.aws_doctor import run_doctor
from cloudtrail_operator.commands.manifest_file import (
    BackfillFile,
    ManifestError,
    SourceFile,
    read_reader,
    read_source,
)
from cloudtrail_spec.source import CloudTrailSourceSpec

FAILED = 1
BAD_INPUT = 2


def run_aws(arguments: Sequence[str], program: str = "cloudtrail-operator aws") -> int:
    """Run the command, which people know as `program`; return the exit code."""
    if arguments[:1] == ["doctor"]:
        return run_doctor(arguments[1:])
    options = build_parser(program).parse_args(arguments)
    try:
        _run(options)
    except (ManifestError, SetupError) as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return BAD_INPUT
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return FAILED
    return 0


def _run(options: Namespace) -> None:
    place = (options.file, options.name, options.namespace)
    if options.command == "policy":
        sys.stdout.write(to_json(_build_policy(options, read_reader(*place))))
    elif options.command == "trust":
        sys.stdout.write(to_json(_build_trust(options, read_reader(*place))))
    else:
        source = read_source(*place)
        stack = plan_stack(
            source.spec, source.key, read_choices(options), read_identity(options), read_surroundings(options)
        )
        if options.command == "cloudformation":
            sys.stdout.write(build_template(stack))
        else:
            _write_module(Path(options.out), build_module(stack))


def _build_policy(options: Namespace, reader: SourceFile | BackfillFile) -> Document:
    spec, surroundings = reader.spec, read_surroundings(options)
    if isinstance(reader, BackfillFile):
        surroundings = _leave_out_queue(surroundings)
    if options.sink:
        return build_role_policy(spec, _find_archive_role(options.sink, spec), surroundings)
    if not options.assumed:
        return build_pod_policy(spec, surroundings)
    if spec.assume_role is None:
        raise SetupError(["spec.assumeRole: is not set, so no role is assumed"])
    return build_role_policy(spec, spec.assume_role.role_arn, surroundings)


def _leave_out_queue(surroundings: Surroundings) -> Surroundings:
    """Turn the surroundings of a source into those of a backfill. Raises SetupError."""
    needless = {"--queue-key": surroundings.queue_key, "--dead-letter-queue": surroundings.dead_letter_queue}
    if said := [option for option, value in needless.items() if value]:
        raise SetupError([f"{option}: leave it out, a backfill reads no queue" for option in said])
    return replace(surroundings, reads_queue=False, may_list=True)


def _build_trust(options: Namespace, reader: SourceFile | BackfillFile) -> Document:
    identity = read_identity(options)
    if options.sink:
        _find_archive_role(options.sink, reader.spec)
        return build_archive_trust(reader.spec, options.sink, identity)
    if options.assumed:
        return build_assumed_trust(reader.spec, identity)
    return build_pod_trust(reader.spec, reader.pods, identity)


def _find_archive_role(name: str, spec: CloudTrailSourceSpec) -> str:
    archives = dict(list_archives(spec))
    if name not in archives:
        known = ", ".join(archives) or "there is none"
        raise SetupError([f"--sink: {name!r} is not the name of an s3 sink: {known}"])
    return archives[name].role_arn


def _write_module(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
