"""The arguments of `cloudtrail-operator aws …`."""

import argparse
import re

from cloudtrail_operator.aws_setup.choices import Choices, Wiring
from cloudtrail_operator.aws_setup.policy import Key, Surroundings
from cloudtrail_operator.aws_setup.trust import Identity
from cloudtrail_spec.arn import PARTITION_PATTERN, QUEUE_ARN_PATTERN
from cloudtrail_spec.pipeline import Mode

_KEY_ARN = re.compile(rf"arn:({PARTITION_PATTERN}):kms:[a-z0-9-]+:[0-9]{{12}}:key/[A-Za-z0-9-]{{1,64}}")

DESCRIPTION = """Says what a CloudTrailSource needs in AWS. Only doctor asks AWS anything; nothing is changed there.

  policy          the least IAM policy of a role, as JSON
  trust           who may assume the role, as JSON
  cloudformation  one template for trail, bucket, queues, wiring and role
  terraform       the same as a module
  doctor          ask AWS what is right and wrong, and how to mend it (needs cloudtrail-collector)"""


def build_parser(program: str) -> argparse.ArgumentParser:
    """Build the parser; `program` is what people called to get here."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    readers = "CloudTrailSource or CloudTrailBackfill"
    policy = _add(commands, "policy", "print the least policy of the role, or user, that the pods have", readers)
    _add_role_choice(policy)
    _add_reading(policy)
    policy.add_argument("--queue-key", type=_key, metavar="ARN", help="KMS key of the queue, if it has one of yours")
    policy.add_argument(
        "--dead-letter-queue", type=_queue, metavar="ARN", help="also allow to count the messages of this queue"
    )
    trust = _add(commands, "trust", "print the trust policy of the role that the pods have", readers)
    _add_role_choice(trust)
    _add_identity(trust)
    for name, words in (("cloudformation", "print a template"), ("terraform", "write a module")):
        command = _add(commands, name, f"{words} that makes what the source needs", "CloudTrailSource")
        _add_choices(command)
        _add_reading(command)
        _add_identity(command)
    command.add_argument("--out", required=True, metavar="FOLDER", help="where main.tf, variables.tf, outputs.tf go")
    commands.add_parser("doctor", help="ask AWS what is right and wrong", add_help=False)
    return parser


def read_surroundings(options: argparse.Namespace) -> Surroundings:
    """Take what concerns the reader's rights."""
    return Surroundings(
        mode=Mode(options.mode),
        dead_letter_queue=getattr(options, "dead_letter_queue", None),
        log_keys=tuple(options.log_key),
        queue_key=getattr(options, "queue_key", None),
        may_list="list" in options.also,
        may_verify="verify" in options.also,
    )


def read_identity(options: argparse.Namespace) -> Identity:
    """Take what concerns who the pods are."""
    return Identity(options.issuer, options.cluster, options.principal)


def read_choices(options: argparse.Namespace) -> Choices:
    """Take what concerns what a template makes."""
    return Choices(
        trail=options.trail,
        trail_arns=tuple(options.trail_arn),
        existing_bucket=options.existing_bucket,
        bucket_account=options.bucket_account,
        organization=options.organization,
        wiring=Wiring(options.wiring),
        own_key=options.kms,
    )


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, words: str, kinds: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words, description=words.capitalize() + ".", allow_abbrev=False)
    command.add_argument("-f", "--file", required=True, help=f"manifest with the {kinds}; - for standard input")
    command.add_argument("--name", help="which one, where the file holds several")
    command.add_argument("-n", "--namespace", help="namespace, where the manifest does not say")
    return command


def _add_role_choice(command: argparse.ArgumentParser) -> None:
    group = command.add_mutually_exclusive_group()
    group.add_argument("--assumed", action="store_true", help="of the role in spec.assumeRole instead")
    group.add_argument("--sink", metavar="NAME", help="of the role of this s3 sink instead")


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--mode",
        choices=[Mode.TEST.value, Mode.ACTIVE.value],
        default=Mode.ACTIVE.value,
        help="mode that must work (default Active); without the right to delete Test works, and Active does not",
    )
    command.add_argument(
        "--log-key", type=_key, action="append", default=[], metavar="ARN", help="KMS key of log files; may be repeated"
    )
    command.add_argument(
        "--also",
        choices=["list", "verify"],
        action="append",
        default=[],
        help="also allow: list the log files (backfills, command `events` on a bucket), verify digests; may be repeated",
    )


def _add_identity(command: argparse.ArgumentParser) -> None:
    command.add_argument("--issuer", metavar="URL", help="OIDC issuer of the cluster, for credentials of type IRSA")
    command.add_argument("--cluster", metavar="ARN", help="EKS cluster, for credentials of type PodIdentity")
    command.add_argument(
        "--principal", metavar="ARN", help="role or user of the pods, where another role is assumed without IRSA"
    )


def _add_choices(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what is made beside queues and role; one of the first three is needed")
    group.add_argument("--trail", metavar="NAME", help="a trail of all regions, and its bucket")
    group.add_argument(
        "--trail-arn",
        action="append",
        default=[],
        metavar="ARN",
        help="the bucket of a trail that exists; may be repeated",
    )
    group.add_argument("--existing-bucket", action="store_true", help="neither: trails deliver to the bucket already")
    group.add_argument("--bucket-account", metavar="ID", help="account of an existing bucket, if not the queue's")
    group.add_argument("--organization", metavar="ID", help="the trail is of this organization")
    group.add_argument(
        "--wiring",
        choices=[wiring.value for wiring in Wiring],
        default=Wiring.S3.value,
        help="how log files are announced (default S3). SNS and EventBridge leave room for other readers",
    )
    group.add_argument("--kms", action="store_true", help="a KMS key for log files and messages, instead of AWS's own")


def _key(text: str) -> Key:
    if not _KEY_ARN.fullmatch(text):
        hint = "; IAM knows keys by their ARN, not by an alias" if "alias/" in text else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not the ARN of a KMS key{hint}")
    return Key.parse(text)


def _queue(text: str) -> str:
    if not re.fullmatch(QUEUE_ARN_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the ARN of a queue")
    return text
