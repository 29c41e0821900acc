"""The life of a release with Helm 3 and 4, beside a source whose collector must not notice anything of it.

An older chart is installed, tested, upgraded, rolled back and upgraded again; then the release goes and comes back. All the
while log files arrive, and the collector that was started first delivers them.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.apiserver import ApiServer
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.cluster import CRD, LocalCluster
from localcluster.corpus import generate_log_files
from localcluster.trail import Trail, create_trail, wait_until
from support.helm import MAJORS, OPERATOR_CHART, SOURCES_CHART, Helm, HelmError

Manifest = dict[str, Any]

RELEASE = "cloudtrail-operator"
VALUES = {
    "pollSeconds": 1,
    "statusSeconds": 1,
    "collector": {"podAnnotations": {"cloudtrail-operator.io/split-stdout": "true"}},
}
# What the older CRD lacks, and a later one added: no source here uses it.
YOUNG_FIELD = "scaling"


@pytest.fixture(scope="module")
def cluster(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), api_server=server) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("aws"), enforce_iam=True) as endpoint:
        yield endpoint


@dataclass
class Life:
    """A release in a namespace of its own, and a source that is served by it."""

    helm: Helm
    trail: Trail
    namespace: str
    files: int = 0

    @property
    def cluster(self) -> LocalCluster:
        return self.trail.cluster

    def run(self, command: str, chart: Path, *options: str, **values: Any) -> str:
        """Install or upgrade the operator's release, and wait until it runs."""
        where = ("-n", self.namespace, "--wait", "--timeout", "90s")
        return self.helm.run(command, RELEASE, chart, *where, *options, values=VALUES | values)

    def read_crd(self) -> Manifest:
        return self.cluster.get(f"crd/{CRD}")

    def list_fields(self) -> set[str]:
        """List the fields that the cluster's CRD has for specs."""
        version = self.read_crd()["spec"]["versions"][0]
        return set(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])

    def look(self) -> tuple[str, str, int, int]:
        """Look at what must stay: source and pod by their uids, the pod's restarts, and changes of the Deployment."""
        (pod,) = self.trail.list_pods()
        (container,) = pod["status"]["containerStatuses"]
        workload = self.cluster.get(f"deployment/{self.trail.name}-collector", namespace=self.trail.namespace)
        source = self.trail.read_source()
        uids = (source["metadata"]["uid"], pod["metadata"]["uid"])
        return *uids, container["restartCount"], workload["metadata"]["generation"]

    def prove_flow(self) -> None:
        """Let a log file arrive, and wait for its events: every one, once, of the one collector."""
        self.files += 1
        (file,) = generate_log_files(1, seed=1000 + self.files)
        self.trail.upload([file])
        wait_until(
            "the events of a new file", lambda: set(file.event_ids) <= self.trail.count_delivered().keys(), timeout=60
        )
        delivered = self.trail.count_delivered()
        assert Counter({event_id: delivered[event_id] for event_id in file.event_ids}) == Counter(file.event_ids)

    def wait_operator_acts(self) -> None:
        """Ask the operator for a look at the source, and wait for its answer."""
        patch = {"metadata": {"annotations": {"cloudtrail-operator.io/reconcile-requested-at": f"{self.files}"}}}
        source = f"cts/{self.trail.name}"
        self.cluster.kubectl("patch", source, "-n", self.trail.namespace, "--type=merge", "-p", json.dumps(patch))
        wait_until(
            "the operator to answer the request",
            lambda: self.trail.read_source()["status"].get("lastHandledReconcileAt") == f"{self.files}",
        )


@pytest.fixture(params=MAJORS, ids=lambda major: f"helm {major}")
def life(request: pytest.FixtureRequest, cluster: LocalCluster, aws: AwsEndpoint, tmp_path: Path) -> Iterator[Life]:
    """Namespaces for a release and a source; afterwards nothing of the release is left, the CRDs included."""
    major: int = request.param
    system, namespace = f"system-{major}", f"security-{major}"
    for name in (system, namespace):
        cluster.create_namespace(name)
    trail = create_trail(cluster, aws, namespace=namespace, name="trail", storage_name=namespace)
    helm = Helm(major, tmp_path, cluster.kubeconfig)
    yield Life(helm, trail, system)
    cluster.kubectl("delete", "cts", "--all", "-n", namespace, check=False)
    helm.run("uninstall", RELEASE, "-n", system, "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=cloudtrail-operator", timeout=120)


def _build_older_chart(directory: Path) -> Path:
    """Build what the chart may have been a release before: an older CRD, version and template of the operator's pods."""
    chart = directory / "older" / OPERATOR_CHART.name
    shutil.copytree(OPERATOR_CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.0.9"}), encoding="utf-8")
    path = chart / "files" / "cloudtrailsources.yaml"
    crd = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"][YOUNG_FIELD]
    rules = spec["x-kubernetes-validations"]
    spec["x-kubernetes-validations"] = [rule for rule in rules if YOUNG_FIELD not in rule["rule"]]
    path.write_text(yaml.safe_dump(crd), encoding="utf-8")
    template = chart / "templates" / "deployment.yaml"
    template.write_text(template.read_text(encoding="utf-8").replace("periodSeconds: 15", "periodSeconds: 16"))
    return chart


def _apply_source(life: Life) -> None:
    """Install the source by its chart, too."""
    spec = life.trail.build_manifest("Active")["spec"]
    values = {"sourceDefaults": {"region": spec.pop("region")}, "sources": {life.trail.name: {"spec": spec}}}
    life.helm.run("install", "sources", SOURCES_CHART, "-n", life.trail.namespace, "--wait", values=values)
    if life.helm.major == 4:
        # It knows conditions, and has waited.
        assert life.trail.read_condition("Ready")["status"] == "True"
    life.trail.wait_ready()


def _upgrade_and_roll_back(life: Life) -> None:
    life.run("upgrade", OPERATOR_CHART)
    assert YOUNG_FIELD in life.list_fields()
    life.wait_operator_acts()
    life.prove_flow()

    life.helm.run("rollback", RELEASE, "1", "-n", life.namespace, "--wait", "--timeout", "90s")
    assert YOUNG_FIELD not in life.list_fields()
    life.wait_operator_acts()
    life.prove_flow()


def _uninstall(life: Life) -> None:
    """Uninstall the release: the collector goes on, and only who takes the CRDs over may install under another name."""
    life.helm.run("uninstall", RELEASE, "-n", life.namespace, "--wait")
    wait_until("the operator to be gone", lambda: not life.cluster.pods(life.namespace))
    assert life.read_crd()["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    life.prove_flow()

    other = ("install", "other", OPERATOR_CHART, "-n", life.namespace, "--dry-run=server")
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        life.helm.run(*other)
    life.helm.run(*other, "--take-ownership")


def _install_again(life: Life) -> None:
    life.run("install", OPERATOR_CHART, replicas=2)
    assert YOUNG_FIELD in life.list_fields()
    life.wait_operator_acts()
    life.prove_flow()
    assert "Succeeded" in life.helm.run("test", RELEASE, "-n", life.namespace, "--timeout", "90s")


def test_release_lives_and_dies_beside_a_collector_that_goes_on(life: Life, tmp_path: Path) -> None:
    """HE-20, CR-30, CR-32: upgrades bring new CRDs; nothing that Helm does to the operator replaces, restarts or stops a
    collector; CRDs and sources survive the release, and the next one takes them over. What Helm 3 began Helm 4 goes on with;
    a release that no longer holds the CRDs leaves them."""
    life.run("install", _build_older_chart(tmp_path))
    _apply_source(life)
    before, crd = life.look(), life.read_crd()["metadata"]["uid"]
    assert YOUNG_FIELD not in life.list_fields()
    life.prove_flow()
    for happening in (_upgrade_and_roll_back, _uninstall, _install_again):
        happening(life)
        assert life.look() == before

    with_newest = replace(life, helm=replace(life.helm, major=4))
    with_newest.run("upgrade", OPERATOR_CHART, crds={"install": False})
    assert life.read_crd()["metadata"]["uid"] == crd
    life.wait_operator_acts()
    assert life.look() == before
