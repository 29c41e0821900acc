"""Two replicas of the operator: one acts, the other takes over, and never do both act."""

import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localcluster.apiserver import ApiServer
from support.api_proxy import ApiProxy
from support.operator_process import NAMESPACE, RELEASE, OperatorProcess
from support.pods import wait_until
from support.site import WORKLOAD, Site

TAKEOVER_SECONDS = 15.0


class Replica:
    """An operator whose requests all pass a proxy of its own."""

    def __init__(self, name: str, operator: OperatorProcess, proxy: ApiProxy) -> None:
        self.name, self.operator, self.proxy = name, operator, proxy

    def signal(self, number: signal.Signals) -> None:
        assert self.operator.process is not None
        os.kill(self.operator.process.pid, number)

    def wait_end(self, seconds: float = 20) -> int:
        """Wait until the process has ended; return its exit code."""
        process = self.operator.process
        assert process is not None
        wait_until(lambda: process.exit_code is not None, f"{self.name} ends", seconds)
        code = process.exit_code
        assert code is not None
        return code


class Pair:
    """A leader and a standby that serve one namespace."""

    def __init__(self, site: Site, leader: Replica, standby: Replica) -> None:
        self.site, self.leader, self.standby = site, leader, standby

    def wait_takeover(self, seconds: float) -> None:
        wait_until(self.standby.operator.is_leading, "the standby leads", seconds)

    def scale_source(self, replicas: int) -> None:
        self.site.apply(collector={"replicas": replicas})

    def wait_scaled(self, replicas: int) -> None:
        def is_scaled() -> bool:
            deployment = self.site.get(f"deployment/{WORKLOAD}")
            return deployment is not None and deployment["spec"]["replicas"] == replicas

        wait_until(is_scaled, f"the Deployment has {replicas} replicas")

    def lease_uid(self) -> str:
        """Read the identity of the Lease; empty while there is none."""
        path = "jsonpath={.metadata.uid}"
        return self.site.server.kubectl(
            "get", "lease", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "-o", path
        ).stdout

    def lease(self) -> dict[str, object]:
        answer = self.site.server.kubectl("get", "lease", RELEASE, "-n", NAMESPACE, "-o", "json").stdout
        spec: dict[str, object] = json.loads(answer)["spec"]
        return spec


@pytest.fixture
def pair(server: ApiServer, tmp_path: Path) -> Iterator[Pair]:
    namespace = f"test-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", namespace)
    with ExitStack() as stack:
        replicas: list[Replica] = []
        for name in ("operator-a", "operator-b"):
            proxy = stack.enter_context(ApiProxy(server))
            operator = OperatorProcess(server, tmp_path, [namespace], name=name, server_url=proxy.url)
            operator.install()
            operator.start(leading=not replicas)
            stack.callback(operator.stop)
            replicas.append(Replica(name, operator, proxy))
        leader, standby = replicas
        yield Pair(Site(server, namespace, leader.operator), leader, standby)
    server.kubectl("delete", "namespace", namespace, "--wait=false")


def test_standby_is_ready_and_does_nothing(pair: Pair) -> None:
    """T-62: it asks for the lease and for nothing else, however many sources there are."""
    pair.scale_source(1)
    pair.wait_scaled(1)
    renewed = pair.lease()["renewTime"]
    wait_until(lambda: pair.lease()["renewTime"] != renewed, "the lease is renewed")
    assert str(pair.lease()["holderIdentity"]).startswith("operator-a_")
    assert not pair.standby.operator.is_leading()
    assert pair.standby.operator.read_problems("readyz") == []
    assert pair.standby.operator.read_problems("healthz") == []
    assert set(pair.standby.proxy.counts()) == {("get", "leases")}
    assert pair.leader.proxy.count("patch", "deployments") == 1


def test_standby_takes_over_from_a_killed_leader(pair: Pair) -> None:
    pair.scale_source(1)
    pair.wait_scaled(1)
    pair.leader.signal(signal.SIGKILL)
    pair.wait_takeover(TAKEOVER_SECONDS)
    pair.scale_source(2)
    pair.wait_scaled(2)
    assert str(pair.lease()["holderIdentity"]).startswith("operator-b_")


def test_standby_takes_over_at_once_from_a_leader_that_stops(pair: Pair) -> None:
    pair.scale_source(1)
    pair.wait_scaled(1)
    pair.leader.signal(signal.SIGTERM)
    assert pair.leader.wait_end() == 0
    pair.wait_takeover(5)  # half as long as the lease would hold
    pair.scale_source(2)
    pair.wait_scaled(2)


def test_frozen_leader_writes_nothing_when_it_awakes(pair: Pair) -> None:
    """T-62: it ends with a message, and whoever starts it anew gets a standby."""
    pair.scale_source(1)
    pair.wait_scaled(1)
    pair.leader.signal(signal.SIGSTOP)
    pair.wait_takeover(TAKEOVER_SECONDS)
    pair.scale_source(2)  # the frozen one finds this in its watch when it awakes
    pair.wait_scaled(2)
    writes = pair.leader.proxy.count_writes()
    pair.site.kubectl("scale", f"deployment/{WORKLOAD}", "--replicas=5")
    pair.leader.signal(signal.SIGCONT)
    assert pair.leader.wait_end() == 1
    assert pair.leader.proxy.count_writes() == writes
    process = pair.leader.operator.process
    assert process is not None
    assert "the lease is held by operator-b_" in process.log_tail()
    pair.wait_scaled(2)


def test_leader_that_is_cut_off_stops_to_act_before_another_begins(pair: Pair) -> None:
    """T-62: the cut lasts until the other has taken over."""
    pair.scale_source(1)
    pair.wait_scaled(1)
    pair.leader.proxy.black_hole()
    wait_until(lambda: not pair.leader.operator.is_leading(), "it does not lead any more", 10)
    assert not pair.standby.operator.is_leading()
    pair.wait_takeover(TAKEOVER_SECONDS)
    pair.leader.proxy.forget()
    pair.scale_source(2)
    pair.wait_scaled(2)
    pair.leader.proxy.heal()
    assert pair.leader.wait_end() == 1
    assert pair.leader.proxy.count_writes() == 0


def test_leader_makes_a_deleted_lease_anew(pair: Pair) -> None:
    pair.scale_source(1)
    pair.wait_scaled(1)
    before = pair.lease_uid()
    pair.site.server.kubectl("delete", "lease", RELEASE, "-n", NAMESPACE)
    wait_until(lambda: pair.lease_uid() not in ("", before), "the lease is made again")
    assert str(pair.lease()["holderIdentity"]).startswith("operator-a_")
    assert set(pair.standby.proxy.counts()) == {("get", "leases")}
    pair.scale_source(2)
    pair.wait_scaled(2)
    assert pair.leader.operator.is_leading()
    assert not pair.standby.operator.is_leading()
