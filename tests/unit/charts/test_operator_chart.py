"""cloudtrail-operator: what single values make of it. What holds for all: test_every_value.py; rights: test_rbac_rules.py"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.allow_list import AllowRule
from cloudtrail_operator.core.names import child_labels
from cloudtrail_operator.settings import read_settings
from cloudtrail_spec.crd import build_crds
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.chart_values import DIGEST, OPERATOR
from support.helm import OPERATOR_CHART, Helm

Manifest = dict[str, Any]

NAMESPACE = "cloudtrail-system"
NAME = "ct-cloudtrail-operator"


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(4, tmp_path)


def _render(helm: Helm, **values: Any) -> list[Manifest]:
    return helm.render(OPERATOR_CHART, values, namespace=NAMESPACE)


def _of_kind(documents: list[Manifest], kind: str) -> list[Manifest]:
    return [document for document in documents if document["kind"] == kind]


def _read_environment(container: Manifest) -> dict[str, str]:
    """Read the variables with plain values."""
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= labels.items()


def test_deployment_gives_settings_that_the_operator_reads(helm: Helm) -> None:
    (deployment,) = _of_kind(
        _render(
            helm,
            watchNamespaces=["a", "b"],
            collector={"image": {"repository": "r/c", "digest": DIGEST}, "nodeSelector": {"os": "x"}},
            pollSeconds=2.5,
            allowList=[{"name": "a", "namespaces": ["a-*"], "buckets": []}],
            extraEnv=[{"name": "AWS_REGION", "value": "eu-west-1"}],
        ),
        "Deployment",
    )
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    (instance,) = (item for item in container["env"] if item["name"] == "CLOUDTRAIL_OPERATOR_INSTANCE")
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    variables = _read_environment(container)
    settings = read_settings(variables)
    assert settings.lease == (NAMESPACE, NAME)
    assert settings.watch_namespaces == ("a", "b")
    assert settings.collector_node_selector == {"os": "x"}
    assert settings.poll_seconds == 2.5
    assert settings.allow_list == (AllowRule(name="a", namespaces=("a-*",), buckets=()),)
    assert settings.collector_image == f"r/c:0.1.0@{DIGEST}"
    assert variables["AWS_REGION"] == "eu-west-1"


@pytest.mark.parametrize(
    ("image", "rendered"),
    [
        ({}, "ghcr.io/cloudtrail-operator/cloudtrail-operator:0.1.0"),
        ({"repository": "r/o", "tag": "2"}, "r/o:2"),
        ({"repository": "r/o", "digest": DIGEST}, f"r/o:0.1.0@{DIGEST}"),
    ],
    ids=["default", "tag", "digest"],
)
def test_image_is_pinned_by_tag_or_digest(helm: Helm, image: Manifest, rendered: str) -> None:
    """HE-15: the pod of `helm test` runs the same image."""
    documents = _render(helm, image=image)
    (deployment,), (test,) = (_of_kind(documents, kind) for kind in ("Deployment", "Pod"))
    specs = (deployment["spec"]["template"]["spec"], test["spec"])
    assert {container["image"] for spec in specs for container in spec["containers"]} == {rendered}


def test_one_replica_is_replaced_without_a_gap(helm: Helm) -> None:
    """The new one is ready as a standby, and takes the Lease when the old one gives it back."""
    documents = _render(helm)
    (deployment,) = _of_kind(documents, "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "topologySpreadConstraints" not in deployment["spec"]["template"]["spec"]
    assert not _of_kind(documents, "PodDisruptionBudget")


def test_several_replicas_are_spread_and_not_all_evicted_at_once(helm: Helm) -> None:
    documents = _render(helm, replicas=2)
    (deployment,) = _of_kind(documents, "Deployment")
    (budget,) = _of_kind(documents, "PodDisruptionBudget")
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == spread["labelSelector"] == deployment["spec"]["selector"]


def test_spread_of_ones_own_replaces_the_charts(helm: Helm) -> None:
    (deployment,) = _of_kind(_render(helm, **OPERATOR["placed"]), "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["topologySpreadConstraints"] == OPERATOR["placed"]["topologySpreadConstraints"]
    assert spec["hostUsers"] is False
    assert spec["priorityClassName"] == "system-cluster-critical"


@pytest.mark.parametrize("namespaces", [[], ["a"]], ids=str)
def test_only_the_lease_of_this_release_may_be_changed(helm: Helm, namespaces: list[str]) -> None:
    """T-49: by a Role in the release's namespace, also where everything else is allowed by a ClusterRole."""
    documents = _render(helm, watchNamespaces=namespaces)
    (role,) = [role for role in _of_kind(documents, "Role") if role["metadata"]["namespace"] == NAMESPACE]
    (binding,) = [item for item in _of_kind(documents, "RoleBinding") if item["metadata"]["namespace"] == NAMESPACE]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        lease | {"verbs": ["create"]},
        lease | {"resourceNames": [NAME], "verbs": ["get", "update"]},
    ]


def test_crds_are_the_generated_ones_and_are_kept(helm: Helm) -> None:
    crds = _of_kind(_render(helm), "CustomResourceDefinition")
    assert {crd["spec"]["names"]["plural"]: crd["spec"] for crd in crds} == {
        plural: yaml.safe_load(yaml.safe_dump(crd["spec"])) for plural, crd in build_crds().items()
    }
    assert all(crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for crd in crds)
    loose = _of_kind(_render(helm, crds={"keep": False}), "CustomResourceDefinition")
    assert all("annotations" not in crd["metadata"] for crd in loose)
    assert not _of_kind(_render(helm, crds={"install": False}), "CustomResourceDefinition")


def test_what_the_chart_says_about_itself_is_so(helm: Helm) -> None:
    """HE-16."""
    about = yaml.safe_load((OPERATOR_CHART / "Chart.yaml").read_text(encoding="utf-8"))
    said = {name.partition("/")[2]: yaml.safe_load(text) for name, text in about["annotations"].items()}
    documents = _render(helm)
    crds = {crd["spec"]["names"]["kind"]: crd for crd in _of_kind(documents, "CustomResourceDefinition")}
    assert {entry["kind"]: entry["name"] for entry in said["crds"]} == {
        kind: crd["metadata"]["name"] for kind, crd in crds.items()
    }
    for example in said["crdsExamples"]:
        CloudTrailSourceSpec.model_validate(example["spec"])
    (deployment,) = _of_kind(documents, "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    collector = _read_environment(container)["CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE"]
    assert [entry["image"] for entry in said["images"]] == [container["image"], collector]


def test_pod_of_helm_test_is_none_of_the_operators(helm: Helm) -> None:
    """HE-06: neither Deployment nor Service, budget or policy may take it for a replica; it acts as the operator."""
    documents = _render(helm, replicas=2, networkPolicy={"enabled": True})
    (pod,) = _of_kind(documents, "Pod")
    (deployment,), (service,), (budget,), (policy,) = (
        _of_kind(documents, kind) for kind in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
    )
    selectors = [
        deployment["spec"]["selector"],
        {"matchLabels": service["spec"]["selector"]},
        budget["spec"]["selector"],
        policy["spec"]["podSelector"],
    ]
    replica = deployment["spec"]["template"]
    assert all(_selects(selector, replica["metadata"]["labels"]) for selector in selectors)
    assert not any(_selects(selector, pod["metadata"]["labels"]) for selector in selectors)
    assert pod["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert pod["spec"]["serviceAccountName"] == replica["spec"]["serviceAccountName"]
    assert pod["spec"]["containers"][0]["env"] == replica["spec"]["containers"][0]["env"]
    assert pod["spec"]["restartPolicy"] == "Never"
    url = pod["spec"]["containers"][0]["args"][-1]
    assert url == f"http://{service['metadata']['name']}.{NAMESPACE}.svc:{service['spec']['ports'][0]['port']}"


def _policies(documents: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"]
        for item in _of_kind(documents, "NetworkPolicy")
    }


def test_traffic_is_bounded_when_asked_for_only(helm: Helm) -> None:
    assert _policies(_render(helm)) == {}
    assert _policies(_render(helm, networkPolicy={"enabled": True})).keys() == {(NAMESPACE, NAME)}
    both = _render(helm, **OPERATOR["policies of two namespaces"])
    assert _policies(both).keys() == {
        (NAMESPACE, NAME), ("team-a", f"{NAME}-collectors"), ("team-b", f"{NAME}-collectors"),
    }  # fmt: skip


def test_operator_reaches_dns_api_server_and_collectors_only(helm: Helm) -> None:
    """HE-09."""
    policy = _policies(_render(helm, **OPERATOR["policies with everything"]))[NAMESPACE, NAME]
    dns, api_server, collectors = policy["egress"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert api_server == {
        "ports": [{"protocol": "TCP", "port": 6443}],
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "fd00::1/128"}}],
    }
    (peer,) = collectors["to"]
    assert peer["namespaceSelector"] == {}
    assert _selects(peer["podSelector"], child_labels("trail"))
    assert collectors["ports"] == [{"protocol": "TCP", "port": 8080}]


def test_operator_lets_in_who_may_read_metrics_and_its_own_test(helm: Helm) -> None:
    values = OPERATOR["policies with everything"]
    documents = _render(helm, **values)
    (rule,) = _policies(documents)[NAMESPACE, NAME]["ingress"]
    (pod,) = _of_kind(documents, "Pod")
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert rule["from"][:-1] == values["networkPolicy"]["metricsFrom"]
    assert _selects(rule["from"][-1]["podSelector"], pod["metadata"]["labels"])


def test_collectors_reach_aws_and_what_is_added_but_not_instance_metadata(helm: Helm) -> None:
    """HE-09: port 80 is open to EKS Pod Identity's agent alone."""
    values = OPERATOR["policies with everything"]
    policy = _policies(_render(helm, **values))["team-a", f"{NAME}-collectors"]
    _dns, https, agent, *extra = policy["egress"]
    assert _selects(policy["podSelector"], child_labels("trail"))
    assert https == {"ports": [{"protocol": "TCP", "port": 443}]}
    assert agent == {
        "ports": [{"protocol": "TCP", "port": 80}],
        "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}, {"ipBlock": {"cidr": "fd00:ec2::23/128"}}],
    }
    assert extra == values["networkPolicy"]["collectors"]["extraEgress"]


def test_collectors_let_in_the_operator_metrics_and_the_api_server(helm: Helm) -> None:
    values = OPERATOR["policies with everything"]
    documents = _render(helm, **values)
    (rule,) = _policies(documents)["team-b", f"{NAME}-collectors"]["ingress"]
    (deployment,) = _of_kind(documents, "Deployment")
    operator, *others = rule["from"]
    assert operator["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    assert _selects(operator["podSelector"], deployment["spec"]["template"]["metadata"]["labels"])
    blocks = [{"ipBlock": {"cidr": block}} for block in values["networkPolicy"]["apiServerBlocks"]]
    assert others == [*values["networkPolicy"]["metricsFrom"], *blocks]


def _read_notes(helm: Helm, **values: Any) -> str:
    printed = helm.run("install", "ct", OPERATOR_CHART, "-n", NAMESPACE, "--dry-run=client", values=values)
    return printed.partition("NOTES:\n")[2]


def test_notes_say_what_is_served_and_what_to_do_next(helm: Helm) -> None:
    """HE-05."""
    notes = _read_notes(helm, watchNamespaces=["a", "b"], replicas=2)
    assert "in namespace cloudtrail-system, with 2 replicas." in notes
    assert "the namespaces a, b." in notes
    assert "helm test ct -n cloudtrail-system" in notes
    assert "kubectl explain cloudtrailsource.spec" in notes
    assert "sqs:DeleteMessage" in notes


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({}, "set allowList"),
        ({"replicas": 0}, "no operator runs"),
        ({"crds": {"install": False}}, "The CRDs are neither part of this release"),
        ({"crds": {"keep": False}}, "deletes the CRDs, and with them every source"),
        ({"networkPolicy": {"enabled": True}}, "networkPolicy.collectors.enabled is false"),
        ({"monitors": {"enabled": True}}, "monitors.enabled is true, but the cluster does not serve"),
        ({"image": {"tag": "latest"}}, "image.tag is latest"),
    ],
    ids=str,
)
def test_notes_warn(helm: Helm, values: Manifest, warning: str) -> None:
    warnings = re.findall(r"^WARNING: .*", _read_notes(helm, **values), re.MULTILINE)
    assert [line for line in warnings if warning in line]


def test_notes_of_a_careful_installation_warn_of_nothing(helm: Helm) -> None:
    rule = {"name": "a", "namespaces": ["a"]}
    collectors = {"enabled": True, "namespaces": ["a"]}
    policy = {"enabled": True, "collectors": collectors}
    notes = _read_notes(helm, allowList=[rule], networkPolicy=policy, image={"tag": "latest", "digest": DIGEST})
    assert "WARNING" not in notes
