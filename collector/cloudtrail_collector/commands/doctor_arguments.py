"""The arguments of the command `doctor`, and the help that says what they are."""

import argparse
from pathlib import Path

CONFIG_PLACE = Path("/etc/cloudtrail-collector/config.json")
"""Where a collector pod has its configuration."""

EPILOG = """what is asked: who you are; the queue, its policy, key, redrive policy and dead-letter queue; region and
notifications of each bucket; a log file. A look that is not allowed is no mistake: collecting needs less than looking.
One message is received and is visible again at once, which counts as one receive (--no-receive); nothing is deleted or
changed.

exit codes: 0 nothing is wrong, 1 something is wrong, 2 wrong arguments or configuration, 130 interrupted

examples:
  cloudtrail-collector doctor -f source.yaml --profile security
  kubectl exec -n security deploy/org-trail-collector -- cloudtrail-collector doctor"""


def add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    doctor = commands.add_parser(
        "doctor",
        help="ask AWS what is right and wrong with a source's set-up, and how to mend it",
        description="Asks AWS step by step how a source is set up, with your credentials, and prints the line that mends"
        " what is wrong.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument(
        "-f",
        "--file",
        type=Path,
        default=CONFIG_PLACE,
        metavar="FILE",
        help="CloudTrailSource (YAML or JSON), or pipeline configuration (JSON); - for standard input;"
        f" default {CONFIG_PLACE}, as in a collector's pod",
    )
    doctor.add_argument("--name", help="which source, where the file holds several")
    doctor.add_argument(
        "--output", choices=("text", "json"), default="text", help="how findings are printed (default text)"
    )
    doctor.add_argument("--no-receive", action="store_true", help="receive no message, so that none counts as received")
    aws = doctor.add_argument_group("AWS")
    aws.add_argument("--profile", help="profile of the AWS configuration files")
    aws.add_argument("--endpoint-url", metavar="URL", help="base URL for all services instead of the source's")
