"""One cluster for all tests of this folder, a namespace for each, and the truth about which API server it was."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster.apiserver import ApiServer, choose_kind, running_api_server
from localcluster.cluster import CRD, LocalCluster, refuse_installed
from support.operator_process import OperatorProcess
from support.pods import CollectorStub, collector_stub
from support.site import Site

# Tests want to see changes at once; a real installation keeps the chart's slower defaults.
OPERATOR_VALUES = {
    "pollSeconds": 1,
    "statusSeconds": 1,
    "collector": {"podAnnotations": {"cloudtrail-operator.io/split-stdout": "true"}},
}

# The other tests play scheduler and kubelet themselves; a real cluster has its own.
ON_USER_CLUSTER = ("test_crd.py", "test_whole_path.py")

_HERE = Path(__file__).parent
_DESCRIPTION = pytest.StashKey[str]()
_SKIPPED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[ApiServer]:
    """An API server that answers, for the whole session."""
    with running_api_server(None, tmp_path_factory.mktemp("api-server")) as server:
        pytestconfig.stash[_DESCRIPTION] = server.describe()
        if server.kind != "user":
            yield server
            return
        refuse_installed(server)
        try:
            yield server
        finally:
            server.kubectl("delete", "crd", CRD, "--ignore-not-found", timeout=120)


@pytest.fixture(scope="module")
def local_cluster(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """The API server with a node that runs Pods.

    It goes with the module: other modules play scheduler and kubelet themselves, and must find their Pods untouched.
    """
    with LocalCluster(tmp_path_factory.mktemp("local-cluster"), api_server=api_server) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def operator(local_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The cluster with the operator installed from its chart, cluster-wide, under exactly the chart's RBAC rules.

    It goes with the module: other modules run operators of their own, and two must not act on one source.
    """
    local_cluster.install_operator(OPERATOR_VALUES)
    yield local_cluster
    local_cluster.stop_operator()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server of the module's own, on which no other operator is at work."""
    with running_api_server(None, tmp_path_factory.mktemp("own-api-server")) as server:
        yield server


@pytest.fixture
def operator_values() -> dict[str, Any]:
    """Values of the chart for the operator of `site`; a module that needs others overrides this."""
    return {}


@pytest.fixture
def site(server: ApiServer, tmp_path: Path, operator_values: dict[str, Any]) -> Iterator[Site]:
    """A namespace of the test's own, and an operator that serves only that."""
    namespace = f"test-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", namespace)
    operator = OperatorProcess(server, tmp_path, [namespace], **operator_values)
    operator.install()
    operator.start()
    yield Site(server, namespace, operator)
    operator.stop()
    server.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def stub() -> Iterator[CollectorStub]:
    """A collector that says what the test wants."""
    with collector_stub() as stub:
        yield stub


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """A namespace of the test's own, in which Pods can be created. It is deleted afterwards, not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    api_server.kubectl("create", "namespace", name)
    try:
        api_server.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
        yield name
    finally:
        api_server.kubectl("delete", "namespace", name, "--wait=false")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; on the user's own cluster keep those that can share it."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        item.add_marker(pytest.mark.cluster)
    if choose_kind() == "user":
        left_out = [item for item in ours if item.path.name not in ON_USER_CLUSTER]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember which cluster tests were skipped."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    is_excused = item.get_closest_marker("third_party_data") is not None
    if report.skipped and not is_excused and not hasattr(report, "wasxfail") and item.path.is_relative_to(_HERE):
        item.config.stash.setdefault(_SKIPPED, []).append(item.nodeid)
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a cluster test that did not run is a failure: nobody reads the list of skipped ones there."""
    if os.environ.get("CI") and session.config.stash.get(_SKIPPED, []):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """Say last which API server was used: a result on the emulator is not one on the real thing."""
    yield
    skipped = config.stash.get(_SKIPPED, [])
    if os.environ.get("CI") and skipped:
        terminalreporter.write_line(f"CI is set: {len(skipped)} skipped cluster tests make this run fail", red=True)
    description = config.stash.get(_DESCRIPTION, None)
    if description:
        terminalreporter.write_line(description, bold=True)
