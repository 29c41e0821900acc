"""Who asks, and may they? Bearer tokens -> users; RBAC objects -> yes or no, in the real server's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localcluster.embedded.errors import ApiError
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.store import Store

MASTERS = "system:masters"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class User:
    """Who a request comes from."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""


ADMIN = User("kubernetes-admin", (MASTERS, "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def service_account_user(namespace: str, name: str, uid: str = "") -> User:
    """The user that a ServiceAccount's token stands for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


@dataclass(frozen=True, slots=True)
class Action:
    """What a request wants to do: a verb on a resource, or on a path when there is no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """For example pods/log."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Authorizer:
    """Evaluates the RBAC objects in the store, anew for each request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def require(self, user: User, action: Action) -> None:
        """Raise Forbidden (403) unless the user may."""
        if not self.allows(user, action):
            raise _refusal(user, action)

    def allows(self, user: User, action: Action) -> bool:
        """Whether any rule that is bound to the user covers the action."""
        if MASTERS in user.groups:
            return True
        return any(_covers(rule, action) for rule in self.rules(user, action.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Json]:
        """Every rule bound to the user, cluster-wide and in one namespace."""
        for binding in self._store.list((_RBAC, "clusterrolebindings")):
            if _binds(binding, user, ""):
                yield from self._role_rules(binding["roleRef"], "")
        if namespace:
            for binding in self._store.list((_RBAC, "rolebindings"), namespace):
                if _binds(binding, user, namespace):
                    yield from self._role_rules(binding["roleRef"], namespace)

    def _role_rules(self, reference: Json, namespace: str) -> list[Json]:
        if reference["kind"] == "ClusterRole":
            role = self._store.get((_RBAC, "clusterroles"), "", reference["name"])
        else:
            role = self._store.get((_RBAC, "roles"), namespace, reference["name"])
        rules: list[Json] = (role or {}).get("rules") or []
        return rules


def _binds(binding: Json, user: User, namespace: str) -> bool:
    return any(_is_subject(subject, user, namespace) for subject in binding.get("subjects") or [])


def _is_subject(subject: Json, user: User, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case _:
            home = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{home}:{subject['name']}"


def _covers(rule: Json, action: Action) -> bool:
    if not {"*", action.verb} & set(rule.get("verbs") or []):
        return False
    if action.path:
        return any(_path_matches(pattern, action.path) for pattern in rule.get("nonResourceURLs") or [])
    if not {"*", action.group} & set(rule.get("apiGroups") or []):
        return False
    resources = set(rule.get("resources") or [])
    wanted = {"*", action.full_resource}
    if action.subresource:
        wanted.add(f"*/{action.subresource}")
    if not wanted & resources:
        return False
    only = rule.get("resourceNames")
    return not only or action.name in only


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _refusal(user: User, action: Action) -> ApiError:
    if action.path:
        return ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {action.verb} path "{action.path}"')
    group_resource = f"{action.resource}.{action.group}" if action.group else action.resource
    named = f'{group_resource} "{action.name}"' if action.name else group_resource
    scope = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    what = f'cannot {action.verb} resource "{action.full_resource}" in API group "{action.group}" {scope}'
    details = {"name": action.name, "group": action.group, "kind": action.resource}
    message = f'{named} is forbidden: User "{user.name}" {what}'
    return ApiError(403, "Forbidden", message, {key: value for key, value in details.items() if value})


def bootstrap_objects() -> list[tuple[str, Json]]:
    """The roles and bindings that every cluster starts with, as far as they matter here: (plural, object)."""
    everything = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
    ]
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    basic = [
        {"apiGroups": ["authorization.k8s.io"], "resources": reviews, "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
    ]
    public = ["/healthz", "/livez", "/readyz", "/version", "/.well-known/openid-configuration", "/openid/v1/jwks"]
    everyone = ("system:authenticated", "system:unauthenticated")
    return [
        *_cluster_role("cluster-admin", everything, MASTERS),
        *_cluster_role("system:discovery", [{"nonResourceURLs": paths, "verbs": ["get"]}], "system:authenticated"),
        *_cluster_role("system:basic-user", basic, "system:authenticated"),
        *_cluster_role("system:public-info-viewer", [{"nonResourceURLs": public, "verbs": ["get"]}], *everyone),
    ]


def _cluster_role(name: str, rules: list[Json], *groups: str) -> list[tuple[str, Json]]:
    subjects = [{"kind": "Group", "apiGroup": _RBAC, "name": group} for group in groups]
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
    role = {"metadata": {"name": name}, "rules": rules}
    return [
        ("clusterroles", role),
        ("clusterrolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}),
    ]
