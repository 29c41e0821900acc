"""What the command line takes, and the help that says so. Loads nothing that a command alone needs."""

import argparse
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cloudtrail_collector import __version__
from cloudtrail_collector.commands.doctor_arguments import add_doctor
from cloudtrail_spec.filters import RuleSet
from cloudtrail_spec.formats import EventFormat
from cloudtrail_spec.masks import MaskPreset
from cloudtrail_spec.pipeline import AccountId, RegionName

ENVIRONMENT = """environment:
  CLOUDTRAIL_LISTEN_HOST    address to listen on (default: all, IPv4 and IPv6)
  CLOUDTRAIL_LISTEN_PORT    port of /healthz, /readyz, /metrics, /status, /samples (default 8080)
  CLOUDTRAIL_LOG_LEVEL      Debug, Info, Warning or Error (default Info)
  CLOUDTRAIL_DRAIN_SECONDS  how long the end may take after SIGTERM (default 45)
  CLOUDTRAIL_WORKERS        messages worked on at once (default 16)
  CLOUDTRAIL_LOOK_SECONDS        how often digest files are looked for that messages wait for (default 300)
  CLOUDTRAIL_NO_OBJECTS_SECONDS  how long messages may come without a log file before that is reported (default 1800)
  CLOUDTRAIL_SOURCE         namespace/name of the source, for logs and the role's session name
  CLOUDTRAIL_SECRETS_DIRECTORY
                            folder with the Secrets that the configuration refers to, <Secret>/<key>
                            (default /etc/cloudtrail/secrets)
  CLOUDTRAIL_TERMINATION_LOG  file in which `backfill` leaves why it ended, if there is one
                            (default /dev/termination-log)
  CLOUDTRAIL_CREDENTIALS_DIRECTORY
                            folder with the files AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and maybe AWS_SESSION_TOKEN,
                            followed when they change; it comes before every other source of credentials
Credentials and region are found the way every AWS SDK finds them.

exit codes: 0 all is well, 1 something could not be read or it cannot go on, 2 wrong arguments, configuration or
environment, 130 interrupted; `verify` has its own meaning of 1 and 2"""

FILTERS = """filters:
  FIELD=A,B      is one of these values         FIELD!=A,B    is none of them
  FIELD^=A,B     begins with one of them        FIELD!^=A,B   begins with none
  FIELD$=A,B     ends with one of them          FIELD!$=A,B   ends with none
  FIELD~REGEX    matches the RE2 expression     FIELD!~REGEX  does not match
  FIELD in 10.0.0.0/8,192.0.2.1                 FIELD not in 10.0.0.0/8
  FIELD          is there                       !FIELD        is not there
FIELD is a path in the event record (userIdentity.type) or a Falco field (ct.user). A comma in a value is written \\,.

intervals, by the delivery time in the names of log files:
  5d             the last five days (w, d, h, m, s)
  5d-2d          from five to two days ago
  2021-03-30T18:07:17Z                          from then until now
  2021-03-30T18:07:17Z-2021-03-31T00:00:00Z     from the one to the other
  2021-03-30T18:07:17Z-5d                       from then until five days ago

examples:
  cloudtrail-collector events --filter 'eventName=ConsoleLogin' --interval 2d s3://trail-bucket/AWSLogs/
  cloudtrail-collector events --rule-set read-only-noise --mask UserNames --format ECS logs/
  cloudtrail-collector events --limit 10 sqs://cloudtrail-notifications"""


VERIFY = """intervals are those of `events`. Digest files whose hour touches the interval are verified, and the log files
that they name; log files of the interval that none names are reported.

exit codes: 0 everything is proven (there may be notices), 1 there are problems, 2 wrong arguments, or nothing worse than
that something could not be read, 130 interrupted

examples:
  cloudtrail-collector verify --interval 7d s3://trail-bucket
  cloudtrail-collector verify --interval 30d-1d --accounts 111122223333 --output json s3://trail-bucket/trail/
  cloudtrail-collector verify --interval 7d --public-keys keys.json --copy-of s3://trail-bucket copy/"""

BACKFILL = """exit codes: 0 the share is done, 1 it could not go on, for a reason that may pass, 2 wrong arguments, task or
environment, 3 AWS or a sink refuses: something must be changed first, 4 another worker has the share, 143 ended by SIGTERM
before the share was done; after 1, 4 and 143 another run goes on where this one stopped

example of a task:
  {"since": "2026-01-01T00:00:00Z", "until": "2026-01-31T23:59:59Z", "progressName": "january",
   "pipeline": {"bucket": "trail-bucket", "region": "us-east-1", "sinks": [{"name": "out", "stdout": {}}]}}"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="cloudtrail-collector",
        description="Reads CloudTrail log files and delivers, prints or explains what becomes of their events.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cloudtrail-collector {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "collect what an SQS queue announces, until SIGTERM"
    run = commands.add_parser("run", help=text, description=text)
    run.add_argument("--config", required=True, type=Path, metavar="FILE", help="pipeline configuration, JSON")
    _add_check(commands)
    _add_events(commands)
    _add_verify(commands)
    add_doctor(commands)
    _add_backfill(commands)
    return parser


def _add_backfill(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    backfill = commands.add_parser(
        "backfill",
        help="deliver the log files of an interval that are in the bucket already",
        description="Delivers one share of a backfill's task to the sinks, page by page, and notes how far it is. Nothing is"
        " written to the bucket, and no queue is asked.",
        epilog=BACKFILL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backfill.add_argument("--task", required=True, type=Path, metavar="FILE", help="what all shares have to do, JSON")
    backfill.add_argument("--share", type=int, metavar="N", help="which share, from 0 (default JOB_COMPLETION_INDEX)")
    backfill.add_argument(
        "--progress",
        type=Path,
        metavar="FILE",
        help="note progress in this file; else in the ConfigMap <progressName>-<share>, through KUBECONFIG or as the pod",
    )


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "explain a configuration, or list its mistakes, and show what it does with sample events"
    check = commands.add_parser("check", help=text, description=text)
    check.add_argument(
        "config", type=Path, metavar="CONFIG", help="pipeline configuration (JSON) or CloudTrailSource (YAML or JSON)"
    )
    check.add_argument("--events", metavar="PATH", help="log file, or folder of them, to run instead of the samples")


def _add_events(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    events = commands.add_parser(
        "events",
        help="print the events of a file, a folder, a bucket or a queue",
        description="Prints events, one JSON object a line. Nothing is written to a bucket or, without --delete, taken from"
        " a queue.",
        epilog=FILTERS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    events.add_argument(
        "place",
        metavar="PLACE",
        help="log file or folder, gzipped or not; - for standard input; s3://bucket/prefix; sqs:// with name, URL or ARN",
    )
    _add_treatment(events)
    which = events.add_argument_group("which log files")
    which.add_argument("--interval", metavar="I", help="delivered in this time, such as 5d or 5d-2d (see below)")
    _add_scope(which)
    aws = _add_aws(events, "S3 and SQS")
    aws.add_argument(
        "--delete",
        action="store_true",
        help="delete a message when all events of its log files that the filters keep were printed",
    )


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = commands.add_parser(
        "verify",
        help="prove by digest files that log files are complete and unaltered",
        description="Follows the signed chain of digest files of each account and region, and compares every log file with"
        " what they say. Nothing is written.",
        epilog=VERIFY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument(
        "place", metavar="PLACE", help="s3://bucket or s3://bucket/prefix, or a folder that is a copy of one"
    )
    verify.add_argument(
        "--output", choices=("text", "json"), default="text", help="how findings are printed, one a line (default text)"
    )
    which = verify.add_argument_group("what is verified")
    which.add_argument("--interval", metavar="I", required=True, help="of this time, such as 5d or 5d-2d")
    _add_scope(which)
    which.add_argument(
        "--copy-of", metavar="s3://BUCKET[/PREFIX]", help="where the objects were signed, if PLACE is a copy of it"
    )
    which.add_argument(
        "--public-keys",
        type=Path,
        metavar="FILE",
        help="CloudTrail's public keys, as answered by `aws cloudtrail list-public-keys`, as PEM or as base64, one a line;"
        " else CloudTrail is asked for them",
    )
    _add_aws(verify, "S3 and CloudTrail")


def _add_scope(which: "argparse._ArgumentGroup") -> None:
    which.add_argument("--accounts", metavar="A,B", type=_parse_accounts, help="of these accounts")
    which.add_argument("--regions", metavar="R,S", type=_parse_regions, help="of these regions")


def _add_aws(command: argparse.ArgumentParser, services: str) -> "argparse._ArgumentGroup":
    aws = command.add_argument_group("AWS")
    aws.add_argument("--region", help="region of bucket or queue; else AWS_REGION, AWS_DEFAULT_REGION or the profile's")
    aws.add_argument("--profile", help="profile of the AWS configuration files")
    aws.add_argument("--endpoint-url", metavar="URL", help=f"base URL for {services} instead of AWS's own")
    return aws


def _add_treatment(events: argparse.ArgumentParser) -> None:
    what = events.add_argument_group("what is printed, and how")
    what.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="EXPR",
        help="print only what matches (see below); repeatable, all must hold",
    )
    sets = tuple(rule_set.value for rule_set in RuleSet)
    what.add_argument(
        "--rule-set", action="append", default=[], choices=sets, metavar="NAME", help=f"drop noise: {', '.join(sets)}"
    )
    masks = tuple(preset.value for preset in MaskPreset)
    what.add_argument(
        "--mask", action="append", default=[], choices=masks, metavar="PRESET", help=f"hide values: {', '.join(masks)}"
    )
    formats = tuple(form.value for form in EventFormat)
    what.add_argument("--format", choices=formats, help="how events look (default Raw)")
    what.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="take filters, masks and format from a pipeline configuration or CloudTrailSource, and add the above",
    )
    what.add_argument("--limit", type=_parse_limit, metavar="N", help="stop after N events")


def _parse_accounts(text: str) -> frozenset[str]:
    return _parse_list(AccountId, text, "an account id, which has twelve digits")


def _parse_regions(text: str) -> frozenset[str]:
    return _parse_list(RegionName, text, "a region, such as us-east-1")


def _parse_list(kind: Any, text: str, what: str) -> frozenset[str]:
    check = TypeAdapter(kind).validate_python
    values = [part.strip() for part in text.split(",")]
    for value in values:
        try:
            check(value)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(f"{value!r} is not {what}") from error
    return frozenset(values)


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)
