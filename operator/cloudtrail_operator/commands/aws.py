"""`cloudtrail-operator aws policy|trust|cloudformation|terraform|doctor`: a source's manifest → what must exist in AWS.

Exit codes: 0, 1 when files could not be written, 2 when arguments or the source are wrong; every mistake is listed.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cloudtrail_operator.aws_setup.cloudformation import build_template
from cloudtrail_operator.aws_setup.documents import Document, to_json
from cloudtrail_operator.aws_setup.policy import build_pod_policy, build_role_policy, list_archives
from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.stack import plan_stack
from cloudtrail_operator.aws_setup.terraform import build_module
from cloudtrail_operator.aws_setup.trust import build_archive_trust, build_assumed_trust, build_pod_trust
from cloudtrail_operator.commands.aws_arguments import build_parser, read_choices, read_identity, read_surroundings
from cloudtrail_operator.commands.aws_doctor import run_doctor
from cloudtrail_operator.commands.source_file import SourceFile, SourceFileError, read_source

FAILED = 1
BAD_INPUT = 2


def run_aws(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    if arguments[:1] == ["doctor"]:
        return run_doctor(arguments[1:])
    options = build_parser().parse_args(arguments)
    try:
        _run(options, read_source(options.file, options.name, options.namespace))
    except (SourceFileError, SetupError) as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return BAD_INPUT
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return FAILED
    return 0


def _run(options: Namespace, source: SourceFile) -> None:
    if options.command == "policy":
        sys.stdout.write(to_json(_build_policy(options, source)))
    elif options.command == "trust":
        sys.stdout.write(to_json(_build_trust(options, source)))
    else:
        stack = plan_stack(
            source.spec, source.key, read_choices(options), read_identity(options), read_surroundings(options)
        )
        if options.command == "cloudformation":
            sys.stdout.write(build_template(stack))
        else:
            _write_module(Path(options.out), build_module(stack))


def _build_policy(options: Namespace, source: SourceFile) -> Document:
    spec, surroundings = source.spec, read_surroundings(options)
    if options.sink:
        return build_role_policy(spec, _find_archive_role(options.sink, source), surroundings)
    if not options.assumed:
        return build_pod_policy(spec, surroundings)
    if spec.assume_role is None:
        raise SetupError(["spec.assumeRole: is not set, so no role is assumed"])
    return build_role_policy(spec, spec.assume_role.role_arn, surroundings)


def _build_trust(options: Namespace, source: SourceFile) -> Document:
    identity = read_identity(options)
    if options.sink:
        _find_archive_role(options.sink, source)
        return build_archive_trust(source.spec, options.sink, identity)
    if options.assumed:
        return build_assumed_trust(source.spec, identity)
    return build_pod_trust(source.spec, source.key, identity)


def _find_archive_role(name: str, source: SourceFile) -> str:
    archives = dict(list_archives(source.spec))
    if name not in archives:
        known = ", ".join(archives) or "there is none"
        raise SetupError([f"--sink: {name!r} is not the name of an s3 sink of the source: {known}"])
    return archives[name].role_arn


def _write_module(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
