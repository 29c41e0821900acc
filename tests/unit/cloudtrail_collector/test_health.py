"""Where probes, metrics and status are served."""

import http.client
import socket

import pytest
from prometheus_client import CollectorRegistry

from cloudtrail_collector.health import HttpServer, Sources
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_spec.pipeline import Mode


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_all_addresses_of_the_pod_are_served(address: str) -> None:
    """A pod of an IPv6 cluster has no other."""
    if address == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    board = StatusBoard(mode=Mode.ACTIVE, config_hash="", no_objects_seconds=60)
    server = HttpServer("", 0, Sources(board, CollectorRegistry(), find_dead=list, find_unready=lambda: ["starting"]))
    server.start()
    try:
        assert [_ask(address, server.port, path) for path in ("/healthz", "/readyz")] == [200, 503]
    finally:
        server.stop()


def _ask(address: str, port: int, path: str) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
