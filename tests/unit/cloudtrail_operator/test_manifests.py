"""The manifests of typical sources, held against files: a change of any line is seen in review.

`UPDATE_GOLDEN=1 pytest tests/unit/cloudtrail_operator` writes the files anew.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.desired import build_desired
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.core.source import parse_spec
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.observations import build_wanted, observe_source

GOLDEN = Path(__file__).parents[2] / "golden"
DEFAULTS = CollectorDefaults(
    image="example.com/cloudtrail-collector:1",
    node_selector={"kubernetes.io/os": "linux"},
    tolerations=({"key": "security", "operator": "Exists"},),
    pod_annotations={"example.com/log-parser": "json"},
)
CASES: dict[str, dict[str, Any]] = {
    "irsa-test": {},
    "secret-active": {
        "mode": "Active",
        "roleArn": None,
        "credentials": {"type": "Secret", "secretRef": {"name": "aws-keys"}},
        "endpointUrl": "http://127.0.0.1:4566",
        "collector": {
            "replicas": 2,
            "image": "example.com/other:2",
            "imagePullPolicy": "Always",
            "imagePullSecrets": [{"name": "registry"}],
            "logLevel": "Debug",
            "resources": {"requests": {"cpu": "1"}},
            "terminationGracePeriodSeconds": 90,
            "labels": {"team": "security", "app.kubernetes.io/name": "ignored"},
            "annotations": {"example.com/log-parser": "ndjson"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "own", "operator": "Equal", "value": "x", "effect": "NoSchedule"}],
            "priorityClassName": "high",
        },
    },
    "sinks-with-secrets": {
        "mask": [{"preset": "UserNames", "hash": {"key": {"secretKeyRef": {"name": "masks", "key": "hmac"}}}}],
        "sinks": [
            {
                "name": "siem",
                "splunkHec": {
                    "url": "https://splunk.example.com:8088",
                    "token": {"secretKeyRef": {"name": "siem", "key": "token"}},
                    "tls": {"ca": {"secretKeyRef": {"name": "siem", "key": "ca.crt"}}},
                },
            },
            {"name": "spool", "file": {"path": "/data/spool/events.ndjson"}},
        ],
        "deadLetterSink": {"name": "rejects", "file": {"path": "/data/rejects/x", "persistentVolumeClaim": "rejects"}},
    },
    "overridden": {
        "collector": {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
                        ]
                    }
                },
                "podAffinity": None,
            },
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
            ],
            "extraEnv": [
                {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
                {"name": "NO_PROXY", "value": ""},
                {"name": "AWS_CA_BUNDLE", "value": "/mnt/ca/ca.crt"},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "siem", "key": "token"}}},
                {"name": "TEAM", "valueFrom": {"configMapKeyRef": {"name": "team", "key": "name"}}},
            ],
            "extraVolumes": [
                {"name": "ca", "configMap": {"name": "company-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"name": "keys", "secret": {"secretName": "siem", "optional": True}},
                {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "shared", "readOnly": True}},
                {
                    "name": "all",
                    "projected": {"sources": [{"configMap": {"name": "company-ca"}}, {"secret": {"name": "siem"}}]},
                },
            ],
            "extraVolumeMounts": [
                {"name": "ca", "mountPath": "/mnt/ca", "readOnly": True},
                {"name": "keys", "mountPath": "/mnt/keys", "readOnly": True},
                {"name": "scratch", "mountPath": "/mnt/scratch", "subPath": "own"},
                {"name": "scratch", "mountPath": "/mnt/more"},
                {"name": "claim", "mountPath": "/mnt/claim", "readOnly": True},
                {"name": "all", "mountPath": "/mnt/all", "readOnly": True},
            ],
        },
    },
    "scaled": {"mode": "Active", "scaling": {"min": 2, "max": 10, "targetMessages": 500, "targetCPUPercent": 80}},
    "keda/irsa": {"mode": "Active", "scaling": {"min": 0, "max": 10, "targetCPUPercent": 80}},
    "pod-identity-paused": {"mode": "Paused", "roleArn": None, "credentials": {"type": "PodIdentity"}, "sinks": None},
}


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_as_reviewed(name: str) -> None:
    source = observe_source(**CASES[name])
    spec = parse_spec(source.spec)
    assert isinstance(spec, CloudTrailSourceSpec)
    autoscaler = Autoscaler.KEDA if name.startswith("keda/") else Autoscaler.HPA
    text = yaml.safe_dump_all(build_desired(source, spec, DEFAULTS, autoscaler).manifests, sort_keys=False, width=120)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def _template_hash(**changes: Any) -> str:
    return build_wanted(**changes).template_hash


def test_scaling_does_not_replace_pods() -> None:
    assert _template_hash() == _template_hash(collector={"replicas": 5})


def test_a_changed_pipeline_replaces_pods() -> None:
    assert _template_hash() != _template_hash(prefix="audit/")


def test_source_cannot_break_the_selector_with_its_labels() -> None:
    manifests = build_wanted(collector={"labels": {"cloudtrail-operator.io/source": "other"}}).manifests
    deployment = next(item for item in manifests if item["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= deployment["spec"]["selector"]["matchLabels"].items()


def test_nothing_inherits_what_gitops_tools_track_by() -> None:
    for manifest in build_wanted().manifests:
        assert "app.kubernetes.io/instance" not in manifest["metadata"]["labels"]
