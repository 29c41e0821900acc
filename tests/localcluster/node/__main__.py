"""Command line of the node agent: `python -m localcluster.node --kubeconfig FILE --name NAME --directory DIR`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from localcluster.node.agent import NodeAgent
from localcluster.node.api import Api
from localcluster.node.layout import NodeLayout
from localcluster.node.settings import NodeSettings


def parse_arguments(arguments: list[str]) -> NodeSettings:
    """Turn the command line into settings."""
    parser = argparse.ArgumentParser(prog="python -m localcluster.node", description="Run Pods as local processes.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--name", default="local", help="name of the Node (%(default)s)")
    parser.add_argument("--directory", type=Path, required=True, help="folder for Pods and their logs")
    parser.add_argument("--path-prefix", default="", help="folder that comes first in the PATH of every program")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="variable of every program")
    parser.add_argument("--back-off", type=float, default=1.0, help="first restart delay in seconds (%(default)s)")
    parser.add_argument(
        "--leave-scheduling", action="store_true", help="a scheduler runs: take what it brings, be tainted"
    )
    given = parser.parse_args(arguments)
    pairs = [pair.partition("=") for pair in given.env]
    return NodeSettings(
        kubeconfig=given.kubeconfig,
        name=given.name,
        layout=NodeLayout(given.directory.resolve()),
        path_prefix=f"{given.path_prefix}{os.pathsep}" if given.path_prefix else "",
        environment={name: value for name, _, value in pairs},
        back_off_seconds=given.back_off,
        leave_scheduling=given.leave_scheduling,
    )


async def run(settings: NodeSettings) -> None:
    """Run the agent until SIGTERM or SIGINT."""
    for folder in (settings.layout.pods, settings.layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    settings.layout.ready.unlink(missing_ok=True)
    async with Api.connect(settings.kubeconfig) as api:
        agent = asyncio.create_task(NodeAgent(api, settings).run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, agent.cancel)
        with suppress(asyncio.CancelledError):
            await agent


def main() -> int:
    """Run from the command line."""
    settings = parse_arguments(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
