"""KEDA as far as the operator sees it: its two kinds, with the fields that the operator sets and no others.

Nobody acts on them here; strict validation tells a field that KEDA does not have from one that it has.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcluster.apiserver import ApiServer

Schema = dict[str, Any]

GROUP = "keda.sh"
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "format": "int32", "minimum": 0}


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_POLICY = _object(("type", "value", "periodSeconds"), type=TEXT, value=COUNT, periodSeconds=COUNT)
_RULES = _object(stabilizationWindowSeconds=COUNT, policies=_list(_POLICY))
_BEHAVIOR = _object(scaleDown=_RULES, scaleUp=_RULES)
_TRIGGER = _object(
    ("type", "metadata"),
    type=TEXT,
    metricType={"type": "string", "enum": ["AverageValue", "Value", "Utilization"]},
    useCachedMetrics={"type": "boolean"},
    authenticationRef=_object(("name",), name=TEXT),
    metadata={"type": "object", "additionalProperties": TEXT},
)
_BEHAVIORS_ON_FAILURE = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
SCALED_OBJECT = _object(
    ("scaleTargetRef", "triggers"),
    scaleTargetRef=_object(("name",), apiVersion=TEXT, kind=TEXT, name=TEXT),
    minReplicaCount=COUNT,
    maxReplicaCount=COUNT,
    pollingInterval=COUNT,
    cooldownPeriod=COUNT,
    fallback=_object(
        ("failureThreshold", "replicas"),
        failureThreshold=COUNT,
        replicas=COUNT,
        behavior={"type": "string", "enum": _BEHAVIORS_ON_FAILURE, "default": "static"},
    ),
    advanced=_object(horizontalPodAutoscalerConfig=_object(behavior=_BEHAVIOR)),
    triggers=_list(_TRIGGER),
)
TRIGGER_AUTHENTICATION = _object(
    podIdentity=_object(
        ("provider",),
        provider={"type": "string", "enum": ["azure-workload", "gcp", "aws", "aws-eks", "none"]},
        identityOwner={"type": "string", "enum": ["keda", "workload"]},
        roleArn=TEXT,
        externalID=TEXT,
    ),
    secretTargetRef=_list(_object(("parameter", "name", "key"), parameter=TEXT, name=TEXT, key=TEXT)),
)
_KINDS = {"ScaledObject": SCALED_OBJECT, "TriggerAuthentication": TRIGGER_AUTHENTICATION}


@contextmanager
def installed_keda(server: ApiServer) -> Iterator[None]:
    """Let the API server serve KEDA's kinds, and no longer afterwards."""
    crds = [_build_crd(kind, spec) for kind, spec in _KINDS.items()]
    plurals = [crd["spec"]["names"]["plural"] for crd in crds]
    server.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(_in_a_list(crds)))
    for plural in plurals:
        server.wait_kind(plural, GROUP)
    try:
        yield
    finally:
        names = [f"{plural}.{GROUP}" for plural in plurals]
        server.kubectl("delete", "crd", *names, "--ignore-not-found", timeout=120)


def _in_a_list(items: list[Schema]) -> Schema:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _build_crd(kind: str, spec: Schema) -> Schema:
    plural = f"{kind.lower()}s"
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _object(("spec",), spec=spec)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
