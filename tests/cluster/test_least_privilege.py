"""What the operator really asks of the API server, seen on the way, beside what the chart grants it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.apiserver import ApiServer
from support.api_proxy import ApiProxy
from support.operator_process import RELEASE, OperatorProcess
from support.pods import wait_until
from support.site import WORKLOAD, Site

# Not asked for here: finalizers are OpenShift's admission's, and there is neither KEDA nor a backfill.
NOT_HERE = {
    "cloudtrailsources/finalizers",
    "cloudtrailbackfills/finalizers",
    "cloudtrailbackfills/status",
    "scaledobjects",
    "triggerauthentications",
}
# In the operator's own namespace, by a role of its own.
LEASES = {("get", "leases"), ("create", "leases"), ("update", "leases")}


@pytest.fixture
def proxy(server: ApiServer) -> Iterator[ApiProxy]:
    with ApiProxy(server) as proxy:
        yield proxy


@pytest.fixture
def site(server: ApiServer, proxy: ApiProxy, tmp_path: Path) -> Iterator[Site]:
    """A namespace, and an operator whose requests are counted."""
    namespace = f"test-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", namespace)
    operator = OperatorProcess(server, tmp_path, [namespace], server_url=proxy.url)
    operator.install()
    operator.start()
    yield Site(server, namespace, operator)
    operator.stop()
    server.kubectl("delete", "namespace", namespace, "--wait=false")


def _live(site: Site) -> None:
    """Take a source through what makes every kind of child come, change and go."""
    budget, autoscaler = f"poddisruptionbudget/{WORKLOAD}", f"horizontalpodautoscaler/{WORKLOAD}"
    site.apply(collector={"replicas": 2})
    wait_until(lambda: site.get(budget), "there is a budget")
    site.apply(scaling={"min": 1, "max": 3})
    wait_until(lambda: site.get(autoscaler), "there is an autoscaler")
    site.apply(mode="Paused")
    wait_until(lambda: not site.get(autoscaler), "the autoscaler is gone")
    wait_until(lambda: not site.get(budget), "the budget is gone")
    site.wait_condition("Ready", "True", "Paused")


def _list_granted(site: Site) -> set[tuple[str, str]]:
    role = site.get(f"role/{RELEASE}")
    assert role is not None
    return {(verb, resource) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


def test_operator_asks_for_what_it_was_granted_and_is_granted_what_it_asks_for(site: Site, proxy: ApiProxy) -> None:
    """T-49: nothing is refused, nothing is asked for in passing, and no resource is granted that nobody asks for."""
    _live(site)
    refused = [seen for seen in proxy.requests if seen.status == 403]
    # Discovery, which everybody may, has paths.
    asked = {(verb, resource) for verb, resource in proxy.counts() if not resource.startswith("/")}
    granted = _list_granted(site)
    assert refused == []
    assert asked - LEASES <= granted
    assert {resource for _, resource in granted} - {resource for _, resource in asked} <= NOT_HERE
    assert {verb for verb, resource in asked if resource == "deployments"} >= {"list", "watch", "patch"}
