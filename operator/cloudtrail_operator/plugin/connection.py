"""The options that choose a cluster, a user and a namespace, as kubectl spells them."""

import argparse
from collections.abc import Sequence

from cloudtrail_operator.plugin.kubectl import Kubectl

_VALUES = {
    "--kubeconfig": "file with the access to clusters",
    "--context": "context of the kubeconfig",
    "--cluster": "cluster of the kubeconfig",
    "--user": "user of the kubeconfig",
    "--as": "user to impersonate",
    "--request-timeout": "how long one request may take, such as 10s",
}


def build_connection_parser() -> argparse.ArgumentParser:
    """Build a parent parser with these options, and -n."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("cluster, as for every kubectl command")
    group.add_argument("-n", "--namespace", help="namespace (default: the context's)")
    for option, words in _VALUES.items():
        group.add_argument(option, metavar=option.removeprefix("--").upper(), help=words)
    group.add_argument("--as-group", action="append", default=[], metavar="GROUP", help="group to impersonate")
    return parser


def connect(options: argparse.Namespace) -> Kubectl:
    """Make the kubectl that these options mean."""
    return Kubectl(list_options(options))


def list_options(options: argparse.Namespace) -> Sequence[str]:
    """List them for kubectl. The namespace is not among them: some requests are about all."""
    values = ((name, getattr(options, name.removeprefix("--").replace("-", "_"))) for name in _VALUES)
    chosen = [f"{name}={value}" for name, value in values if value is not None]
    return [*chosen, *(f"--as-group={group}" for group in options.as_group)]


def in_namespace(options: argparse.Namespace) -> list[str]:
    """Say to kubectl which namespace; nothing for the context's own."""
    return [f"--namespace={options.namespace}"] if options.namespace else []
