"""The command line: `cloudtrail-operator run`, `selfcheck`, and `aws`, which works without a cluster."""

import argparse
import asyncio
import logging
import os
import sys

from cloudtrail_operator import __version__
from cloudtrail_operator.adapters.access import Access, AccessError, find_access
from cloudtrail_operator.commands.self_check import run_self_check
from cloudtrail_operator.errors import LeaseLostError
from cloudtrail_operator.logs import set_up_logs
from cloudtrail_operator.main import run
from cloudtrail_operator.settings import Settings, SettingsError, read_settings

BAD_SETTINGS = 2
ENVIRONMENT = """environment (CLOUDTRAIL_OPERATOR_ stands before each but the last two):
  COLLECTOR_IMAGE             image of collectors whose source names none; needed
  WATCH_NAMESPACES            namespaces to serve, separated by commas (default: all)
  POLL_SECONDS                how often a collector is asked for its report (default 15)
  STATUS_SECONDS              how often figures in a status are written at most (default 60)
  STALL_SECONDS               how long denied access lasts before a source is Stalled (default 300)
  LAG_SECONDS                 how long messages may wait before a source is Lagging (default 900)
  COLLECTOR_NODE_SELECTOR     JSON object, for every collector
  COLLECTOR_TOLERATIONS       JSON array, for collectors whose source names none
  COLLECTOR_POD_ANNOTATIONS   JSON object, for every collector pod
  COLLECTOR_EXTRA_ENV         JSON array of variables, for every collector
  AWS_DOCUMENTS               publish IAM policies in a ConfigMap beside each source: true or false (default true)
  OIDC_ISSUER                 the cluster's, for trust policies among them (default: that of the operator's own token)
  EKS_CLUSTER                 ARN of the cluster, for trust policies of Pod Identity among them
  ALLOW_LIST                  JSON array of rules that bound what namespaces may use (default: none, all is allowed)
  LEASE                       namespace/name of the Lease that replicas compete for (default: this is the only one)
  INSTANCE                    name of this replica, in the Lease and in Events (default: the host's name)
  LOG_LEVEL                   DEBUG, INFO, WARNING or ERROR (default INFO)
  LISTEN_PORT                 port of /healthz, /readyz, /metrics (default 8080)
  CLOUDTRAIL_LISTEN_HOST      address to listen on (default: all, IPv4 and IPv6)
  KUBECONFIG                  a cluster to use when this does not run in one"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 after a signal, 1 after a failure, 2 for bad settings."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["aws"]:
        from cloudtrail_operator.commands.aws import run_aws  # noqa: PLC0415  (`run` does without)

        return run_aws(arguments[1:])
    options = _parse(arguments)
    try:
        settings, access = read_settings(os.environ), find_access()
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return BAD_SETTINGS
    except AccessError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_SETTINGS
    if options.command == "selfcheck":
        return run_self_check(settings, access, options.url, options.wait)
    return _run(settings, access)


def _run(settings: Settings, access: Access) -> int:
    set_up_logs(settings.log_level)
    try:
        asyncio.run(run(settings, access))
    except LeaseLostError as error:
        logging.getLogger("cloudtrail_operator").error("lost the lease", extra={"error": str(error)})
        return 1
    except Exception:
        logging.getLogger("cloudtrail_operator").exception("failed")
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cloudtrail-operator",
        description="Runs AWS CloudTrail collectors on Kubernetes.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cloudtrail-operator {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    commands.add_parser("run", help="watch CloudTrailSources and run their collectors, until stopped")
    selfcheck = commands.add_parser("selfcheck", help="say whether an installation works, with the operator's settings")
    selfcheck.add_argument(
        "--url", required=True, help="where the operator answers, such as http://NAME.NAMESPACE.svc:8080"
    )
    selfcheck.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="how long to wait for it (60)")
    commands.add_parser(
        "aws", help="say what a CloudTrailSource needs in AWS: policies, or a template that makes it all"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
