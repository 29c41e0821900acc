"""The resources that the server knows: built-in ones from a table, custom ones from CRDs; looked up by path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from localcluster.embedded.coretypes import ANYTHING, object_meta, schema_of
from localcluster.embedded.errors import Target
from localcluster.embedded.jsontypes import Json

StorageKey = tuple[str, str]

OBJECT_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
ALWAYS_SELECTABLE = frozenset({"metadata.name", "metadata.namespace"})


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One kind in one version, with everything that the path, the schema and the printer need to know."""

    group: str
    version: str
    plural: str
    kind: str
    schema: Json
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = OBJECT_VERBS
    has_generation: bool = False
    selectable: frozenset[str] = ALWAYS_SELECTABLE
    columns: tuple[Json, ...] | None = None
    scale_paths: tuple[str, str] = (".spec.replicas", ".status.replicas")
    crd: str | None = None
    stored_as: StorageKey = field(default=("", ""))

    @property
    def key(self) -> StorageKey:
        """Where the objects live: versions of a kind share their objects, and so do the two Event kinds."""
        return self.stored_as if self.stored_as[1] else (self.group, self.plural)

    @property
    def api_version(self) -> str:
        """As in apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether status is written through an endpoint of its own."""
        return "status" in self.subresources

    def target(self, name: str = "") -> Target:
        """For error messages."""
        return Target(self.group, self.plural, self.kind, name)


class Registry:
    """All resources by group, version and plural."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str, str], Resource] = {
            (resource.group, resource.version, resource.plural): resource for resource in _builtins()
        }

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at an API path."""
        return self._resources.get((group, version, plural))

    def builtin(self, plural: str, group: str = "") -> Resource:
        """A resource that is always there."""
        return self._resources[(group, "v2" if group == "autoscaling" else "v1", plural)]

    def all(self) -> list[Resource]:
        """Every resource in every served version."""
        return list(self._resources.values())

    def stored(self) -> list[Resource]:
        """One resource per kind of stored object."""
        return list({resource.key: resource for resource in reversed(self.all()) if "list" in resource.verbs}.values())

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object."""
        found = (r for r in self._resources.values() if r.kind == kind and r.api_version == api_version)
        return next(found, None)

    def replace_custom(self, crd: str, resources: Iterable[Resource]) -> None:
        """Serve these versions for a CRD, and no others."""
        for path in [path for path, resource in self._resources.items() if resource.crd == crd]:
            del self._resources[path]
        for resource in resources:
            self._resources[(resource.group, resource.version, resource.plural)] = resource

    def groups(self) -> dict[str, list[str]]:
        """Group -> its versions, in the order of registration; the core group is the empty name."""
        found: dict[str, list[str]] = {}
        for resource in self._resources.values():
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return found

    def in_version(self, group: str, version: str) -> list[Resource]:
        """The resources of one API version."""
        return [r for r in self._resources.values() if (r.group, r.version) == (group, version)]


def custom_schema(openapi: Json) -> Json:
    """A CRD's schema with the members that every object has."""
    common: Json = {
        "apiVersion": {"type": "string", "description": "The versioned schema of this object."},
        "kind": {"type": "string", "description": "The REST resource that this object represents."},
        "metadata": _restricted_meta((openapi.get("properties") or {}).get("metadata") or {}),
    }
    return {**openapi, "type": "object", "properties": {**(openapi.get("properties") or {}), **common}}


def _restricted_meta(wanted: Json) -> Json:
    """The schema of metadata with what a CRD may add to it: limits on name and generateName."""
    standard = object_meta()
    restricted = dict(standard["properties"])
    for key in ("name", "generateName"):
        restricted[key] = {**restricted[key], **((wanted.get("properties") or {}).get(key) or {})}
    return {**standard, "properties": restricted}


_STATUS = frozenset({"status"})
_SCALED = frozenset({"status", "scale"})
_POD_FIELDS = frozenset(
    {"spec.nodeName", "status.phase", "status.podIP", "spec.serviceAccountName", "spec.schedulerName"}
)
_EVENT_FIELDS = frozenset(f"involvedObject.{name}" for name in ("kind", "name", "namespace", "uid", "apiVersion")) | {
    "reason",
    "type",
    "source",
    "reportingComponent",
}


def _core() -> list[Resource]:
    def core(plural: str, kind: str, *short: str, model: str = "", **more: object) -> Resource:
        return Resource("", "v1", plural, kind, schema_of(model or f"V1{kind}"), short_names=short, **more)  # type: ignore[arg-type]

    crud = OBJECT_VERBS
    return [
        core(
            "namespaces",
            "Namespace",
            "ns",
            namespaced=False,
            subresources=frozenset({"status", "finalize"}),
            verbs=tuple(verb for verb in crud if verb != "deletecollection"),
            selectable=ALWAYS_SELECTABLE | {"status.phase"},
        ),
        core("configmaps", "ConfigMap", "cm"),
        core("secrets", "Secret", selectable=ALWAYS_SELECTABLE | {"type"}),
        core("events", "Event", "ev", model="CoreV1Event", selectable=ALWAYS_SELECTABLE | _EVENT_FIELDS),
        core(
            "pods",
            "Pod",
            "po",
            categories=("all",),
            subresources=frozenset({"status", "log", "proxy", "binding", "eviction"}),
            has_generation=True,
            selectable=ALWAYS_SELECTABLE | _POD_FIELDS,
        ),
        core("services", "Service", "svc", categories=("all",), subresources=_STATUS),
        core("serviceaccounts", "ServiceAccount", "sa", subresources=frozenset({"token"})),
        core(
            "nodes",
            "Node",
            "no",
            namespaced=False,
            subresources=_STATUS,
            selectable=ALWAYS_SELECTABLE | {"spec.unschedulable"},
        ),
        core("endpoints", "Endpoints", "ep", singular="endpoints"),
        core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", subresources=_STATUS),
        core("limitranges", "LimitRange", "limits"),
        core("resourcequotas", "ResourceQuota", "quota", subresources=_STATUS),
    ]


def _grouped() -> list[Resource]:
    def one(group: str, plural: str, kind: str, *short: str, model: str = "", **more: object) -> Resource:
        version = "v2" if group == "autoscaling" else "v1"
        schema = schema_of(model or f"{version.upper()}{kind}")
        return Resource(group, version, plural, kind, schema, short_names=short, **more)  # type: ignore[arg-type]

    workload: Json = {"categories": ("all",), "subresources": _SCALED, "has_generation": True}
    rbac = "rbac.authorization.k8s.io"
    events = (
        ALWAYS_SELECTABLE | {"reason", "type", "reportingController"} | {f"regarding.{n}" for n in ("kind", "name")}
    )
    return [
        one("apps", "deployments", "Deployment", "deploy", **workload),
        one("apps", "replicasets", "ReplicaSet", "rs", **workload),
        one("apps", "statefulsets", "StatefulSet", "sts", **workload),
        one("apps", "daemonsets", "DaemonSet", "ds", **{**workload, "subresources": _STATUS}),
        one("batch", "jobs", "Job", **{**workload, "subresources": _STATUS}),
        one("batch", "cronjobs", "CronJob", "cj", **{**workload, "subresources": _STATUS}),
        one("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", subresources=_STATUS),
        one("policy", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", subresources=_STATUS, has_generation=True),
        one("coordination.k8s.io", "leases", "Lease"),
        one(
            "events.k8s.io", "events", "Event", "ev", model="EventsV1Event", selectable=events, stored_as=("", "events")
        ),
        one(rbac, "roles", "Role"),
        one(rbac, "rolebindings", "RoleBinding"),
        one(rbac, "clusterroles", "ClusterRole", namespaced=False),
        one(rbac, "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
        one("networking.k8s.io", "networkpolicies", "NetworkPolicy", "netpol", has_generation=True),
        one("discovery.k8s.io", "endpointslices", "EndpointSlice"),
        one("scheduling.k8s.io", "priorityclasses", "PriorityClass", "pc", namespaced=False),
    ]


def _meta_resources() -> list[Resource]:
    def anything(group: str, plural: str, kind: str, **more: object) -> Resource:
        schema = {"type": "object", "properties": {"metadata": object_meta()}, **ANYTHING}
        return Resource(group, "v1", plural, kind, schema, namespaced=False, **more)  # type: ignore[arg-type]

    review = {"verbs": ("create",)}
    access = "authorization.k8s.io"
    return [
        anything(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            short_names=("crd", "crds"),
            subresources=_STATUS,
            has_generation=True,
        ),
        anything(access, "selfsubjectaccessreviews", "SelfSubjectAccessReview", **review),
        anything(access, "selfsubjectrulesreviews", "SelfSubjectRulesReview", **review),
        anything(access, "subjectaccessreviews", "SubjectAccessReview", **review),
        anything("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", **review),
        anything("authentication.k8s.io", "tokenreviews", "TokenReview", **review),
    ]


def _builtins() -> list[Resource]:
    return [*_core(), *_grouped(), *_meta_resources()]
