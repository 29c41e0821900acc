"""Every fault of the API server: the operator lives through it, misses no change, and says what is wrong."""

import asyncio
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.adapters.api_client import ApiClient
from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.errors import UnreachableError
from localcluster.apiserver import ApiServer
from support.api_proxy import ApiProxy, Refusal
from support.operator_process import NAMESPACE, RELEASE, OperatorProcess
from support.pods import CollectorStub, build_pod_status, wait_until
from support.site import CHILDREN, NAME, WORKLOAD, Manifest, Site
from support.sources import QUEUE_ARN, build_source

RECOVERY_SECONDS = 90.0
ALL_REQUESTS = None


@pytest.fixture(scope="module")
def proxy(server: ApiServer) -> Iterator[ApiProxy]:
    with ApiProxy(server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def shared_site(server: ApiServer, proxy: ApiProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One operator for all tests of this module: that it lives through all of them is a part of what is tested."""
    namespace = f"test-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", namespace)
    operator = OperatorProcess(server, tmp_path_factory.mktemp("operator"), [namespace], server_url=proxy.url)
    operator.install()
    operator.start()
    wait_until(lambda: proxy.count("list", "cloudtrailsources") >= 4, "the lists after the start are over", 60)
    yield Site(server, namespace, operator)
    operator.stop()
    server.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def site(shared_site: Site, proxy: ApiProxy) -> Iterator[Site]:
    """The site without sources and without faults."""
    yield shared_site
    proxy.heal()
    proxy.forget()
    proxy.reset()  # the next test must not wait until watches find out that they are dead
    watches = len(shared_site.operator.read_metric("cloudtrail_operator_watch_silence_seconds"))
    wait_until(lambda: proxy.count("watch") >= watches, "all watches have begun anew", 60)
    shared_site.kubectl("delete", "cts", "--all")
    wait_until(lambda: not any(shared_site.list(kind) for kind in CHILDREN), "the children are gone", 60)
    proxy.forget()


def _wait_replicas(site: Site, replicas: int, seconds: float = 30) -> None:
    def matches() -> bool:
        deployment = site.get(f"deployment/{WORKLOAD}")
        return deployment is not None and deployment["spec"]["replicas"] == replicas

    wait_until(matches, f"the Deployment has {replicas} replicas", seconds)


def _assert_alive(site: Site) -> None:
    process = site.operator.process
    assert process is not None
    assert process.exit_code is None
    assert site.operator.read_problems() == []


def test_silent_drop_of_all_watches_is_noticed_and_nothing_is_missed(site: Site, proxy: ApiProxy) -> None:
    """T-61, KO-13: new connections work, but nobody says that those of the watches are dead."""
    site.apply(mode="Paused")  # so that no answer to a write of its own tells the operator of the change
    site.wait_condition("Ready", "True", "Paused", RECOVERY_SECONDS)
    proxy.forget()
    proxy.black_hole_watches()
    site.apply(collector={"replicas": 3})
    _wait_replicas(site, 3, RECOVERY_SECONDS)
    watches = site.operator.read_metric("cloudtrail_operator_watch_silence_seconds")
    wait_until(lambda: proxy.count("watch") >= len(watches), "all watches have begun anew", RECOVERY_SECONDS)
    _assert_alive(site)


def test_outage_stops_the_leader_but_does_not_end_it(site: Site, proxy: ApiProxy) -> None:
    """T-61, KO-13: nobody else has taken the lease meanwhile, so it goes on when the API server is back."""
    site.apply(collector={"replicas": 1})
    site.wait_children()
    proxy.black_hole()
    wait_until(lambda: not site.operator.is_leading(), "it stops to act")
    site.apply(collector={"replicas": 3})
    assert site.operator.read_problems() == []
    proxy.heal()
    _wait_replicas(site, 3)
    _assert_alive(site)


def test_dead_connections_are_noticed_by_the_lease(site: Site, proxy: ApiProxy) -> None:
    """KO-13: it is renewed all the time, so all is listed long before the watches find out that they are dead."""
    site.apply(collector={"replicas": 1})
    site.wait_children()
    proxy.black_hole(existing=True, new=False)
    site.apply(collector={"replicas": 3})
    # A request that was under way when its connection died keeps its source waiting for its whole 30 s.
    _wait_replicas(site, 3, 60)
    _assert_alive(site)


def test_dead_connections_cost_one_request_its_time_and_not_each_one(server: ApiServer, shared_site: Site) -> None:
    """KO-13: what has silenced one connection has silenced all that are kept. Nothing else is disturbed."""
    token = server.kubectl("create", "token", RELEASE, "-n", NAMESPACE).stdout.strip()

    async def ask(proxy: ApiProxy) -> None:
        access = Access(proxy.url, fixed_token=token)
        async with ApiClient(access, SystemClock()) as client:
            await asyncio.gather(*(client.request("GET", "/version") for _ in range(8)))
            await asyncio.to_thread(proxy.black_hole, existing=True, new=False)
            with pytest.raises(UnreachableError):
                await client.request("GET", "/version", seconds=1)
            for _ in range(8):
                assert (await client.request("GET", "/version")).status == 200
            watch = f"{Kind.SOURCE.path(shared_site.namespace)}?watch=true&timeoutSeconds=2"
            watching = asyncio.create_task(client.request("GET", watch))
            await asyncio.to_thread(wait_until, lambda: proxy.count("watch") == 1, "the watch has begun")
            await client.drop_connections()
            assert (await client.request("GET", "/version")).status == 200
            assert not watching.done()
            assert (await watching).status == 200

    with ApiProxy(server) as proxy:
        asyncio.run(ask(proxy))


def test_reset_connections_are_made_anew(site: Site, proxy: ApiProxy) -> None:
    """KO-13."""
    site.apply(collector={"replicas": 1})
    site.wait_children()
    for replicas in (2, 3, 4):
        proxy.reset()
        site.apply(collector={"replicas": replicas})
        _wait_replicas(site, replicas)
    _assert_alive(site)


@pytest.mark.parametrize(
    ("refusal", "verb"),
    [
        (Refusal(410), "watch"),
        (Refusal(410, as_event=True), "watch"),
        (Refusal(500, as_event=True), "watch"),
        (Refusal(500), "watch"),
        (Refusal(403), "watch"),
        (Refusal(429, retry_after=1), "watch"),
        (Refusal(503), ALL_REQUESTS),
        (Refusal(429, retry_after=1), ALL_REQUESTS),
    ],
    ids=lambda value: f"{value.code}{'-event' if value.as_event else ''}" if isinstance(value, Refusal) else str(value),
)
def test_refusals_pass_without_a_missed_change(site: Site, proxy: ApiProxy, refusal: Refusal, verb: str | None) -> None:
    """KO-11, KO-12, KO-13: all watches are broken, and meet the refusal when they begin again."""
    site.apply(collector={"replicas": 1})
    site.wait_children()
    proxy.forget()
    proxy.refuse(refusal, verb=verb)
    proxy.reset()
    # The tests before this one have made the operator wait up to 15 s before each new beginning.
    wait_until(lambda: proxy.count("watch", "cloudtrailsources") >= 2, "the watch was refused twice", 60)
    site.apply(collector={"replicas": 3})
    proxy.heal()
    _wait_replicas(site, 3, RECOVERY_SECONDS)
    _assert_alive(site)


def test_retry_after_is_obeyed(site: Site, proxy: ApiProxy) -> None:
    """KO-13: the first delay of our own would be one second at most."""
    proxy.refuse(Refusal(429, retry_after=4), verb="patch", resource="serviceaccounts", times=1)
    site.apply()
    site.wait_children()
    first, second, *_ = [
        seen.at for seen in proxy.requests if (seen.verb, seen.resource) == ("patch", "serviceaccounts")
    ]
    assert second - first >= 4


def test_bookmarks_are_signs_of_life(site: Site) -> None:
    """T-61: there never is an autoscaler here, and still its watch does not count as silent."""

    def read() -> float:
        silences = site.operator.read_metric("cloudtrail_operator_watch_silence_seconds")
        return next(seconds for watch, seconds in silences.items() if "horizontalpodautoscalers" in watch)

    wait_until(lambda: read() > 15, "it has been silent for a while", 30)
    wait_until(lambda: read() < 15, "it was heard again", RECOVERY_SECONDS)
    assert 'kind="HorizontalPodAutoscaler"' not in site.operator.read_metric("cloudtrail_operator_watch_events_total")


def test_no_child_is_made_for_a_source_that_is_gone(site: Site, proxy: ApiProxy) -> None:
    """The watch of sources is dead, those of children tell that they are deleted: making them again would never end."""
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    proxy.black_hole_watches("cloudtrailsources")
    proxy.forget()
    site.kubectl("delete", f"cts/{NAME}")
    wait_until(lambda: not any(site.list(kind) for kind in CHILDREN), "the children are gone", 60)
    wait_until(lambda: proxy.count("get", "cloudtrailsources") >= 1, "it finds out that the source is gone")
    assert proxy.count("patch") == 0
    proxy.reset()


def test_failure_of_a_request_is_in_the_status_before_the_retry(site: Site, proxy: ApiProxy) -> None:
    """T-54."""
    proxy.refuse(Refusal(500, "etcd has no leader"), verb="patch", resource="deployments")
    site.apply()
    ready = site.wait_condition("Ready", "False", "ReconcileFailed")
    assert "etcd has no leader" in ready["message"]
    site.apply(collector={"replicas": 2})
    site.wait_condition("Ready", "False", "ReconcileFailed")
    assert site.source()["status"]["observedGeneration"] == 2
    assert site.condition("Stalled")["status"] == "absent"
    proxy.heal()
    site.wait_condition("Ready", "False", "RollingOut", 30)


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(422, 'Deployment.apps "org-trail-collector" is invalid: spec.template: Invalid value: "x"'),
        Refusal(403, 'admission webhook "policy.example.com" denied the request: only images of ours'),
    ],
    ids=["invalid", "admission"],
)
def test_rejected_workload_stalls_and_waits_for_a_change(site: Site, proxy: ApiProxy, refusal: Refusal) -> None:
    """T-62: in the API server's own words, and without a try in vain until the spec changes."""
    proxy.refuse(refusal, verb="patch", resource="deployments", name=WORKLOAD)
    site.apply()
    stalled = site.wait_condition("Stalled", "True", "WorkloadRejected")
    assert stalled["message"] == f"Deployment {WORKLOAD}: {refusal.message}"
    assert site.condition("Ready")["reason"] == "WorkloadRejected"
    _apply_sources(site, ["other"])  # its collectors never start, so it is looked at again and again
    _wait_looks(site, 10)  # what the watches tell of the children that were made is reason for a look
    proxy.forget()
    _wait_looks(site, 20)
    assert proxy.count("patch", "deployments") == 0
    proxy.heal()
    site.apply(collector={"replicas": 2})
    site.wait_condition("Ready", "False", "RollingOut")
    assert site.condition("Stalled")["status"] == "absent"


def test_collectors_that_hang_delay_no_other_source(site: Site, stub: CollectorStub) -> None:
    """Sixty sources with a collector that takes connections and never answers: each look at them takes seconds."""
    with _hanging_address() as address:
        _apply_sources(site, [f"slow-{number}" for number in range(60)])
        pods = wait_until(lambda: len(site.list("pods")) == 60 and site.list("pods"), "every source has a pod", 90)
        _play_kubelet(site, pods, address)
        silence = "cloudtrail_operator_polls_total"
        wait_until(
            lambda: site.operator.read_metric(silence)['result="silence"'] >= 60, "they hang, and are asked again", 60
        )
        site.apply()
        site.wait_children()
        site.run_collector(stub)
        site.wait_condition("Ready", "True", "Testing")
        assert site.operator.read_problems() == []


def _wait_looks(site: Site, count: int) -> None:
    before = site.operator.count_looks()
    wait_until(lambda: site.operator.count_looks() >= before + count, f"there are {count} looks at sources", 60)


def _apply_sources(site: Site, names: list[str]) -> None:
    """Apply sources, each with a queue of its own."""
    text = yaml.safe_dump_all([build_source(name, site.namespace, queueArn=f"{QUEUE_ARN}-{name}") for name in names])
    site.server.kubectl("apply", "--server-side", "-f", "-", input=text)


def _play_kubelet(site: Site, pods: list[Manifest], address: str) -> None:
    """Let pods run at an address, all in one request of kubectl."""
    statuses = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod["metadata"]["name"], "namespace": site.namespace},
            "status": build_pod_status(address),
        }
        for pod in pods
    ]
    text = yaml.safe_dump_all(statuses)
    site.server.kubectl("apply", "--server-side", "--subresource=status", "--force-conflicts", "-f", "-", input=text)


@contextmanager
def _hanging_address() -> Iterator[str]:
    """An address at whose port 8080 connections are made, and nothing else ever happens."""
    address = f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{2 + secrets.randbelow(250)}"
    with socket.create_server((address, 8080), backlog=1024):
        yield address
