"""The proxy to pods: the real API server and the embedded one are held to the same words, as in test_api_conformance.

One difference is meant: the embedded one connects to loopback addresses, where the node agent's pods are.
"""

import json
from collections.abc import Iterator, Mapping

import pytest

from cluster.conformance.harness import Cluster
from localcluster.apiserver import ApiServer
from support.pod_server import find_reachable_address, place_pod, serving


@pytest.fixture
def cluster(api_server: ApiServer, namespace: str) -> Cluster:
    return Cluster(api_server, namespace)


def _echo(path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    forwarded = headers.get("X-Forwarded-Uri", "")
    return (404, "gone") if "missing" in path else (200, json.dumps([path, forwarded, "Authorization" in headers]))


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """The port of a pod called `p` that answers."""
    address = find_reachable_address()
    with serving(address, _echo) as port:
        place_pod(cluster.server, cluster.namespace, "p", address, port)
        yield port


def _path(cluster: Cluster, pod: str, rest: str = "") -> str:
    return f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/proxy{rest}"


def test_request_and_answer_are_passed_on(cluster: Cluster, port: int) -> None:
    """The port may be left out: then it is the first that a container declares. Credentials stay with the API server."""
    for pod in (f"http:p:{port}", f"p:{port}", "p"):
        whole = _path(cluster, pod, "/a/b%20c")
        path, forwarded, authorized = json.loads(cluster.raw(f"{whole}?limit=2&x=%26"))
        assert (path, forwarded, authorized) == ("/a/b%20c?limit=2&x=%26", whole, False)
    assert json.loads(cluster.raw(_path(cluster, "p", "/")))[0] == "/"


def test_failure_of_the_pod_is_passed_on(cluster: Cluster, port: int) -> None:
    said = cluster.refused("get", "--raw", _path(cluster, f"p:{port}", "/missing"))
    assert said == "Error from server (NotFound): the server could not find the requested resource\n"


def test_pod_that_cannot_be_reached_is_told(cluster: Cluster) -> None:
    address = find_reachable_address()
    with serving(address, _echo) as port:
        pass
    place_pod(cluster.server, cluster.namespace, "p", address, port)
    said = cluster.refused("get", "--raw", _path(cluster, f"p:{port}", "/"))
    assert said.startswith("Error from server (ServiceUnavailable): error trying to reach service: ")


@pytest.mark.parametrize("address", [None, "169.254.10.1"])
def test_pod_without_an_allowed_address_is_refused(cluster: Cluster, address: str | None) -> None:
    place_pod(cluster.server, cluster.namespace, "p", address, 8080)
    said = cluster.refused("get", "--raw", _path(cluster, "http:p:8080", "/"))
    assert said == "Error from server (BadRequest): address not allowed\n"


def test_unknown_pod_and_wrong_names_are_refused(cluster: Cluster) -> None:
    said = cluster.refused("get", "--raw", _path(cluster, "http:nobody:8080", "/"))
    assert said == 'Error from server (NotFound): pods "nobody" not found\n'
    said = cluster.refused("get", "--raw", _path(cluster, "ftp:p:21", "/"))
    assert said == 'Error from server (BadRequest): invalid pod request "ftp:p:21"\n'
