"""Schemas of the built-in kinds: the models of the `kubernetes` client -> structural OpenAPI, as CRDs carry it.

The client's models know every field, its type, its description and whether it is required. What they do not know
(defaults, how lists merge) is added from the tables below. With that, built-in kinds and custom resources go
through the same code for defaulting, strict decoding, validation, server-side apply and `kubectl explain`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from kubernetes.client import models

from localcluster.embedded.jsontypes import Json

ANYTHING: Json = {"x-kubernetes-preserve-unknown-fields": True}

MAP_LISTS: dict[tuple[str, str], list[str]] = {
    ("V1PodSpec", "containers"): ["name"],
    ("V1PodSpec", "initContainers"): ["name"],
    ("V1PodSpec", "ephemeralContainers"): ["name"],
    ("V1PodSpec", "volumes"): ["name"],
    ("V1PodSpec", "imagePullSecrets"): ["name"],
    ("V1PodSpec", "hostAliases"): ["ip"],
    ("V1PodSpec", "topologySpreadConstraints"): ["topologyKey", "whenUnsatisfiable"],
    ("V1Container", "env"): ["name"],
    ("V1Container", "ports"): ["containerPort", "protocol"],
    ("V1Container", "volumeMounts"): ["mountPath"],
    ("V1Container", "volumeDevices"): ["devicePath"],
    ("V1ServiceSpec", "ports"): ["port", "protocol"],
    ("V1ServiceAccount", "secrets"): ["name"],
    ("V1ObjectMeta", "ownerReferences"): ["uid"],
    ("V1PodStatus", "podIPs"): ["ip"],
}
"""Lists that merge by key. A list called `conditions` always merges by type."""

SET_LISTS = {("V1ObjectMeta", "finalizers")}

ATOMIC_OBJECTS = {
    "V1LabelSelector",
    "V1SecretKeySelector",
    "V1ConfigMapKeySelector",
    "V1ObjectFieldSelector",
    "V1ResourceFieldSelector",
    "V1OwnerReference",
    "V1ObjectReference",
    "V1LocalObjectReference",
    "V1TypedLocalObjectReference",
    "V1RoleRef",
    "V1NodeSelector",
}
ATOMIC_MAPS = {("V1PodSpec", "nodeSelector"), ("V1ServiceSpec", "selector")}

INT_OR_STRING = {
    ("V1RollingUpdateDeployment", "maxSurge"),
    ("V1RollingUpdateDeployment", "maxUnavailable"),
    ("V1HTTPGetAction", "port"),
    ("V1TCPSocketAction", "port"),
    ("V1ServicePort", "targetPort"),
    ("V1PodDisruptionBudgetSpec", "minAvailable"),
    ("V1PodDisruptionBudgetSpec", "maxUnavailable"),
    ("V1NetworkPolicyPort", "port"),
    ("V1ResourceRequirements", "limits"),
    ("V1ResourceRequirements", "requests"),
    ("V1EmptyDirVolumeSource", "sizeLimit"),
}

DEFAULTS: dict[tuple[str, str], Any] = {
    ("V1DeploymentSpec", "replicas"): 1,
    ("V1DeploymentSpec", "strategy"): {},
    ("V1DeploymentSpec", "revisionHistoryLimit"): 10,
    ("V1DeploymentSpec", "progressDeadlineSeconds"): 600,
    ("V1DeploymentStrategy", "type"): "RollingUpdate",
    ("V1ReplicaSetSpec", "replicas"): 1,
    ("V1PodSpec", "restartPolicy"): "Always",
    ("V1PodSpec", "dnsPolicy"): "ClusterFirst",
    ("V1PodSpec", "schedulerName"): "default-scheduler",
    ("V1PodSpec", "securityContext"): {},
    ("V1PodSpec", "terminationGracePeriodSeconds"): 30,
    ("V1Container", "resources"): {},
    ("V1Container", "terminationMessagePath"): "/dev/termination-log",
    ("V1Container", "terminationMessagePolicy"): "File",
    ("V1ContainerPort", "protocol"): "TCP",
    ("V1Probe", "timeoutSeconds"): 1,
    ("V1Probe", "periodSeconds"): 10,
    ("V1Probe", "successThreshold"): 1,
    ("V1Probe", "failureThreshold"): 3,
    ("V1HTTPGetAction", "scheme"): "HTTP",
    ("V1HTTPGetAction", "path"): "/",
    ("V1ObjectFieldSelector", "apiVersion"): "v1",
    ("V1ConfigMapVolumeSource", "defaultMode"): 420,
    ("V1SecretVolumeSource", "defaultMode"): 420,
    ("V1ProjectedVolumeSource", "defaultMode"): 420,
    ("V1DownwardAPIVolumeSource", "defaultMode"): 420,
    ("V1ServiceAccountTokenProjection", "expirationSeconds"): 3600,
    ("V1ServiceSpec", "type"): "ClusterIP",
    ("V1ServiceSpec", "sessionAffinity"): "None",
    ("V1ServiceSpec", "internalTrafficPolicy"): "Cluster",
    ("V1ServicePort", "protocol"): "TCP",
    ("V1Secret", "type"): "Opaque",
    ("V1NetworkPolicyPort", "protocol"): "TCP",
    ("V2HorizontalPodAutoscalerSpec", "minReplicas"): 1,
}

OPTIONAL_DESPITE_MODEL = {"V1PodDisruptionBudgetStatus", "V2HorizontalPodAutoscalerStatus"}
"""Sent half empty by clients; only the server itself ever reads them."""

_SCALARS: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "bytes": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": ANYTHING,
}
_LIST = re.compile(r"^List\[(.+)\]$")
_MAP = re.compile(r"^Dict\[str, (.+)\]$")


@cache
def schema_of(model_name: str) -> Json:
    """The structural schema of a model of the kubernetes client. Shared: callers must not change it."""
    if model_name == "V1JSONSchemaProps":
        return {"type": "object", **ANYTHING}
    model: Any = getattr(models, model_name)
    properties: Json = {}
    required: list[str] = []
    for attribute, type_name in model.openapi_types.items():
        field = model.attribute_map[attribute]
        info = model.model_fields.get(attribute)
        properties[field] = _field_schema(model_name, field, type_name, getattr(info, "description", None))
        if info is not None and info.is_required():
            required.append(field)
    schema: Json = {"type": "object", "properties": properties}
    description = (model.__doc__ or "").split("Attributes:")[0].strip()
    if description:
        schema["description"] = description
    if required and model_name not in OPTIONAL_DESPITE_MODEL:
        schema["required"] = required
    if model_name in ATOMIC_OBJECTS:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _field_schema(model_name: str, field: str, type_name: str, description: str | None) -> Json:
    owner = (model_name, field)
    if owner in INT_OR_STRING and not type_name.startswith("Dict"):
        schema: Json = {"x-kubernetes-int-or-string": True}
    else:
        schema = dict(_type_schema(type_name))
    if owner in INT_OR_STRING and "additionalProperties" in schema:
        schema["additionalProperties"] = {"x-kubernetes-int-or-string": True}
    if owner in MAP_LISTS or (field == "conditions" and schema.get("type") == "array"):
        schema["x-kubernetes-list-type"] = "map"
        schema["x-kubernetes-list-map-keys"] = MAP_LISTS.get(owner, ["type"])
    if owner in SET_LISTS:
        schema["x-kubernetes-list-type"] = "set"
    if owner in ATOMIC_MAPS:
        schema["x-kubernetes-map-type"] = "atomic"
    if owner in DEFAULTS:
        schema["default"] = DEFAULTS[owner]
    if description:
        schema["description"] = description
    return schema


def _type_schema(type_name: str) -> Json:
    if found := _LIST.match(type_name):
        return {"type": "array", "items": _type_schema(found[1])}
    if found := _MAP.match(type_name):
        return {"type": "object", "additionalProperties": _type_schema(found[1])}
    if type_name in _SCALARS:
        return _SCALARS[type_name]
    return schema_of(type_name)


def object_meta() -> Json:
    """The schema of `metadata`, the same for every kind."""
    return schema_of("V1ObjectMeta")
