"""A control plane for one run, with the operator's CRD and permissions, and the operator as a process."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_operator.fleet import NAMESPACE
from localcluster.apiserver import ApiServer, describe_server, running_api_server
from localcluster.assets import find_control_plane
from localcluster.control_plane import running_control_plane
from support.operator_process import OperatorProcess

# The controllers must not be what is measured: by default they hold themselves back at 20 requests a second. Endpoints
# on loopback addresses are refused by the API server, so that their controller would only try again and again.
CONTROLLER_FLAGS = {
    "kube-api-qps": 2000,
    "kube-api-burst": 4000,
    "controllers": "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller,"
    "serviceaccount-controller,disruption-controller,root-ca-certificate-publisher-controller",
}


@dataclass(frozen=True, slots=True)
class Plane:
    """An API server on which nobody else is at work."""

    server: ApiServer
    operator: OperatorProcess


@contextmanager
def running_plane(kind: str) -> Iterator[Plane]:
    """Run a control plane with the CRD and the operator's permissions installed; the operator is not started."""
    with tempfile.TemporaryDirectory(prefix="bench-operator-") as name, _running_server(kind, Path(name)) as server:
        operator = OperatorProcess(server, Path(name), [], pollSeconds=15, statusSeconds=60)
        operator.log_level = "INFO"
        operator.install()
        server.wait_kind("cloudtrailsources", "cloudtrail-operator.io")
        server.kubectl("create", "namespace", NAMESPACE)
        server.kubectl("wait", "--for=create", "serviceaccount/default", "-n", NAMESPACE, "--timeout=30s")
        try:
            yield Plane(server, operator)
        finally:
            operator.stop()


@contextmanager
def _running_server(kind: str, directory: Path) -> Iterator[ApiServer]:
    binaries = find_control_plane()
    if kind == "embedded":
        with running_api_server(kind, directory) as server:
            yield server
    elif binaries is None:
        raise RuntimeError("the real control plane is not on this machine; build it with: make envtest")
    else:
        with running_control_plane(binaries, directory, controller_flags=CONTROLLER_FLAGS) as kubeconfig:
            yield describe_server("real", kubeconfig)
