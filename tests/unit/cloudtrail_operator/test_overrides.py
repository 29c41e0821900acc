"""What authors and admins change about the pods: merged by name, and never over what is ours."""

from typing import Any

import pytest

from cloudtrail_operator.core.desired import build_desired
from cloudtrail_operator.core.evaluation import evaluate
from cloudtrail_operator.core.manifests.overrides import drop_nulls
from cloudtrail_operator.core.observation import Collector
from cloudtrail_operator.core.plan import covers
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_operator.settings import SettingsError, read_settings
from cloudtrail_spec.crd import build_source_crd
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.observations import build_answer, build_pod, build_wanted, observe, observe_source
from support.pods import build_check

Manifest = dict[str, Any]
POD_IDENTITY: Manifest = {"roleArn": None, "credentials": {"type": "PodIdentity"}}
KEYS: Manifest = {"roleArn": None, "credentials": {"type": "Secret", "secretRef": {"name": "keys"}}}


def _pod(defaults: CollectorDefaults | None = None, **changes: Any) -> Manifest:
    source = observe_source(**changes)
    spec = CloudTrailSourceSpec.model_validate(source.spec)
    manifests = build_desired(source, spec, defaults or CollectorDefaults(image="c")).manifests
    template: Manifest = next(item for item in manifests if item["kind"] == "Deployment")["spec"]["template"]["spec"]
    return template


def _env(pod: Manifest) -> dict[str, Manifest]:
    variables = pod["containers"][0]["env"]
    by_name = {variable["name"]: variable for variable in variables}
    assert len(by_name) == len(variables)
    return by_name


def test_sources_variables_win_over_the_operators_and_add_to_ours() -> None:
    defaults = CollectorDefaults(
        image="c",
        extra_env=({"name": "HTTPS_PROXY", "value": "http://all:3128"}, {"name": "NO_PROXY", "value": "10.0.0.0/8"}),
    )
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    env = _env(_pod(defaults, collector={"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://own:3128"}, secret]}))
    assert env["HTTPS_PROXY"] == {"name": "HTTPS_PROXY", "value": "http://own:3128"}
    assert env["NO_PROXY"]["value"] == "10.0.0.0/8"
    assert env["TOKEN"] == secret
    assert env["AWS_REGION"]["value"] == "us-east-1"


def test_our_variables_win_over_whatever_got_past_the_rules() -> None:
    defaults = CollectorDefaults(image="c", extra_env=({"name": "AWS_ROLE_ARN", "value": "arn:other"},))
    assert _env(_pod(defaults))["AWS_ROLE_ARN"]["value"] == "arn:aws:iam::111122223333:role/cloudtrail-collector"


def test_operator_refuses_variables_that_a_source_could_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE": "c"}
    name = "CLOUDTRAIL_OPERATOR_COLLECTOR_EXTRA_ENV"
    good = '[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]'
    assert read_settings(environment | {name: good}).collector_extra_env == (
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
    )
    with pytest.raises(SettingsError, match=r"\[0\]: .*AWS.*cannot be set here"):
        read_settings(environment | {name: '[{"name": "AWS_PROFILE", "value": "x"}]'})


def test_extra_volumes_never_share_a_name_with_ours() -> None:
    volumes = [
        {"name": "config", "configMap": {"name": "ca"}},
        {"name": "tmp", "secret": {"secretName": "s", "items": [{"key": "k", "path": "a/k"}]}},
        {"name": "spool", "emptyDir": {}},
    ]
    mounts = [{"name": "config", "mountPath": "/mnt/ca", "readOnly": True}]
    pod = _pod(collector={"extraVolumes": volumes, "extraVolumeMounts": mounts})
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(set(names)) == len(names)
    assert pod["volumes"][-3:] == [volume | {"name": f"extra-{volume['name']}"} for volume in volumes]
    assert pod["containers"][0]["volumeMounts"][-1] == mounts[0] | {"name": "extra-config"}


def test_affinity_is_handed_through_without_nulls() -> None:
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}], "matchFields": None}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    pod = _pod(collector={"affinity": affinity | {"podAffinity": None}})
    assert pod["affinity"] == drop_nulls(affinity)
    observed = {"affinity": drop_nulls(affinity)}  # what an API server keeps
    assert covers(observed, {"affinity": pod["affinity"]})
    assert "affinity" not in _pod(collector={"affinity": {}})


def test_own_spread_replaces_the_default_and_counts_only_the_sources_pods() -> None:
    spread = {"maxSkew": 2, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    (found,) = _pod(collector={"topologySpreadConstraints": [spread]})["topologySpreadConstraints"]
    (default,) = _pod()["topologySpreadConstraints"]
    assert found == spread | {"labelSelector": default["labelSelector"]}
    assert default["topologyKey"] == "kubernetes.io/hostname"


def test_secrets_are_named_without_a_namespace_everywhere_in_the_schema() -> None:
    """T-48: there is no field by which a source could name a Secret, or anything else, of another namespace."""

    def walk(schema: Manifest) -> set[str]:
        parts = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
        inside = [walk(part) for part in parts if isinstance(part, dict)]
        return set(schema.get("properties", {})).union(*inside)

    names = walk(build_source_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    assert "secretKeyRef" in names
    assert [name for name in names if "namespace" in name.lower()] == []


@pytest.mark.parametrize("changes", [{}, POD_IDENTITY], ids=["IRSA", "PodIdentity"])
def test_identities_of_eks_need_no_secret(changes: Manifest) -> None:
    """T-47: and keys in the spec are refused (bad_specs)."""
    pod = _pod(**changes)
    assert "secret" not in str(pod["volumes"]).lower()
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(_env(pod))


def test_irsa_has_annotation_and_token_under_the_names_that_the_webhook_leaves_alone() -> None:
    """EKS's webhook adds nothing where role, token, region, STS's endpoints and a mount of its name are there already."""
    account = next(item for item in build_wanted().manifests if item["kind"] == "ServiceAccount")
    pod = _pod()
    role = _env(pod)["AWS_ROLE_ARN"]["value"]
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == role
    token = _env(pod)["AWS_WEB_IDENTITY_TOKEN_FILE"]["value"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "aws-iam-token"]
    (mount,) = [item for item in pod["containers"][0]["volumeMounts"] if item["name"] == volume["name"]]
    (source,) = volume["projected"]["sources"]
    assert {"AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS"} <= set(_env(pod))
    assert token == f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"


def test_pod_identity_has_no_role_of_its_own_anywhere() -> None:
    account = next(item for item in build_wanted(**POD_IDENTITY).manifests if item["kind"] == "ServiceAccount")
    assert "eks.amazonaws.com/role-arn" not in account["metadata"]["annotations"]
    assert "AWS_ROLE_ARN" not in _env(_pod(**POD_IDENTITY))


CHAINED: Manifest = {"assumeRole": {"roleArn": "arn:aws:iam::444455556666:role/reader", "externalId": "acme"}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"roleArn": "arn:aws:iam::111122223333:role/other"}),
        ({}, {"credentials": {"audience": "sts.amazonaws.com.cn"}}),
        ({}, POD_IDENTITY),
        ({}, CHAINED),
        (POD_IDENTITY, POD_IDENTITY | CHAINED),
        (KEYS, KEYS | CHAINED),
        (KEYS, KEYS | {"credentials": {"type": "Secret", "secretRef": {"name": "other"}}}),
        (CHAINED, {"assumeRole": {**CHAINED["assumeRole"], "externalId": "other"}}),
    ],
)
def test_change_of_credentials_replaces_the_pods(before: Manifest, after: Manifest) -> None:
    assert build_wanted(**before).template_hash != build_wanted(**after).template_hash


@pytest.mark.parametrize(("changes", "told"), [(POD_IDENTITY, True), ({}, False)], ids=["PodIdentity", "IRSA"])
def test_missing_pod_identity_is_answered_with_the_command_that_makes_it(changes: Manifest, told: bool) -> None:
    desired = build_wanted(**changes)
    none = build_check("CredentialsValid", "False", "CredentialsRejected", "no credentials")
    verdict = evaluate(
        desired,
        observe(desired, Collector(build_pod(desired), build_answer(desired, checks=[none]))),
        CloudTrailSourceStatus(),
    )
    command = (
        "aws eks create-pod-identity-association --cluster-name CLUSTER --namespace default"
        " --service-account org-trail-collector --role-arn ROLE"
    )
    ready = next(finding for finding in verdict.findings if finding.type == "Ready")
    assert (command in ready.message) is told
    assert ready.message.startswith("no credentials")
