"""`python -m localcluster.embedded --port 0 --kubeconfig PATH`: run the embedded server until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from localcluster.embedded.kubeconfig import write_kubeconfig
from localcluster.embedded.server import ApiServer


async def serve(port: int, kubeconfig: Path) -> None:
    """Start, say so in one line, wait for a signal, stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = ApiServer()
    endpoint = await server.start(port)
    write_kubeconfig(kubeconfig, endpoint)
    sys.stdout.write(f"embedded Kubernetes API server on {endpoint.url}, kubeconfig {kubeconfig}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m localcluster.embedded", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 for a free one")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="where to write the administrator's kubeconfig")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(serve(arguments.port, arguments.kubeconfig))


if __name__ == "__main__":
    main()
