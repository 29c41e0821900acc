"""What the real server does to built-in kinds beyond their schema: conditional defaults, admission, extra checks."""

from __future__ import annotations

import base64
from collections.abc import Callable

from localcluster.embedded.errors import Cause, Target, forbidden
from localcluster.embedded.jsontypes import Json, clone, dig
from localcluster.embedded.names import generate_suffix
from localcluster.embedded.resources import Resource
from localcluster.embedded.selectors import matches_label_selector
from localcluster.embedded.store import Store

TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_LIFETIME_SECONDS = 3607
"""What the real admission plugin asks for."""


def fill_defaults(resource: Resource, obj: Json) -> None:
    """Defaults that depend on other fields, in place."""
    fill = _FILLERS.get(resource.key)
    if fill:
        fill(obj)


def _fill_secret(obj: Json) -> None:
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _fill_service(obj: Json) -> None:
    spec = obj.get("spec") or {}
    for port in spec.get("ports") or []:
        port.setdefault("targetPort", port.get("port"))
    if spec.get("type") != "ExternalName":
        spec.setdefault("clusterIP", f"10.96.{hash_byte(obj, 'a')}.{hash_byte(obj, 'b')}")
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")


def hash_byte(obj: Json, salt: str) -> int:
    """A number from 1 to 254 that stays the same for one object, for addresses that nobody routes."""
    metadata = obj["metadata"]
    return sum(f"{salt}{metadata.get('namespace')}/{metadata.get('name')}".encode()) * 31 % 254 + 1


def _fill_workload(obj: Json) -> None:
    spec = obj.get("spec") or {}
    template = spec.get("template") or {}
    if "strategy" in spec and spec["strategy"].get("type") == "RollingUpdate":
        rolling = spec["strategy"].setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    if isinstance(template.get("spec"), dict):
        _fill_pod_spec(template["spec"])


def _fill_job(obj: Json) -> None:
    spec = obj.get("spec") or {}
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    defaults = {
        "parallelism": 1,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "backoffLimit": 2**31 - 1 if "backoffLimitPerIndex" in spec else 6,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    }
    for name, value in defaults.items():
        spec.setdefault(name, value)
    if isinstance(dig(spec, "template", "spec"), dict):
        _fill_pod_spec(spec["template"]["spec"])


def admit_job(job: Json) -> None:
    """Give a new Job the selector and its pods the labels that tell them from those of every other. In place."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    labels = job["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {})
    for prefix in ("", "batch.kubernetes.io/"):
        labels |= {f"{prefix}controller-uid": uid, f"{prefix}job-name": name}
    job["spec"]["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _fill_pod(obj: Json) -> None:
    _fill_pod_spec(obj.get("spec") or {})


def _fill_pod_spec(spec: Json) -> None:
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        tag = str(container.get("image") or "").rsplit("/", 1)[-1]
        latest = "@" not in tag and (":" not in tag or tag.endswith(":latest"))
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])


def admit_pod(store: Store, pod: Json) -> None:
    """ServiceAccount admission: name the account, refuse a missing one, mount its token. In place."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    account_name = spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = account_name
    account = store.get(("", "serviceaccounts"), namespace, account_name)
    if account is None:
        target = Target("", "pods", "Pod", pod["metadata"]["name"])
        missing = f'serviceaccount "{account_name}" not found'
        raise forbidden(target, f"error looking up service account {namespace}/{account_name}: {missing}")
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    spec.setdefault("tolerations", clone(_TOLERATIONS))
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted:
        _mount_token(spec)


_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def _mount_token(spec: Json) -> None:
    name = f"kube-api-access-{generate_suffix()}"
    unmounted = [
        container
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        if all(mount["mountPath"] != TOKEN_MOUNT for mount in container.get("volumeMounts") or [])
    ]
    for container in unmounted:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": name, "mountPath": TOKEN_MOUNT, "readOnly": True})
    if unmounted:
        namespace_field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
        sources: list[Json] = [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFETIME_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace_field}]}},
        ]
        volume = {"name": name, "projected": {"defaultMode": 420, "sources": sources}}
        spec.setdefault("volumes", []).append(volume)


def check(resource: Resource, obj: Json, old: Json | None) -> list[Cause]:
    """Rules of built-in kinds that no schema holds."""
    checker = _CHECKERS.get(resource.key)
    return checker(obj, old) if checker else []


def _check_workload(obj: Json, old: Json | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    selector = spec.get("selector") or {}
    if old is not None and selector != dig(old, "spec", "selector"):
        return [Cause("spec.selector", "Invalid value: field is immutable")]
    labels = dig(spec, "template", "metadata", "labels") or {}
    if not matches_label_selector(selector, labels):
        shown = ",".join(f'"{key}":"{value}"' for key, value in labels.items())
        message = f"Invalid value: {{{shown}}}: `selector` does not match template `labels`"
        return [Cause("spec.template.metadata.labels", message)]
    return []


_FIXED_IN_JOBS = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "selector", "successPolicy")


def _check_job(obj: Json, old: Json | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    policy = dig(spec, "template", "spec", "restartPolicy")
    path = "spec.template.spec.restartPolicy"
    if policy not in ("Never", "OnFailure"):
        return [Cause(path, 'Required value: valid values: "OnFailure", "Never"', "FieldValueRequired")]
    if spec.get("podFailurePolicy") and policy != "Never":
        message = f'Invalid value: "{policy}": only "Never" is supported when podFailurePolicy is specified'
        return [Cause(path, message)]
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        why = "Required value: when completion mode is Indexed"
        return [Cause("spec.completions", why, "FieldValueRequired")]
    return [] if old is None else _check_job_change(spec, old["spec"])


def _check_job_change(spec: Json, before: Json) -> list[Cause]:
    fixed = [name for name in _FIXED_IN_JOBS if spec.get(name) != before.get(name)]
    if spec.get("template") != before.get("template"):
        fixed.append("template")
    findings = [Cause(f"spec.{name}", "Invalid value: field is immutable") for name in fixed]
    completions = spec.get("completions")
    if completions == before.get("completions"):
        return findings
    if spec.get("completionMode") != "Indexed":
        return [*findings, Cause("spec.completions", "Invalid value: field is immutable")]
    # An Indexed Job may grow and shrink as long as all of it runs at once.
    if completions != spec.get("parallelism"):
        why = f"Invalid value: {completions}: can only be modified in tandem with spec.parallelism"
        findings.append(Cause("spec.completions", why))
    return findings


def _check_pod(obj: Json, old: Json | None) -> list[Cause]:
    if old is None and not dig(obj, "spec", "containers"):
        return [Cause("spec.containers", "Required value", "FieldValueRequired")]
    return []


def _check_service(obj: Json, _: Json | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        return [Cause("spec.ports", "Required value", "FieldValueRequired")]
    return []


def _check_immutable_data(obj: Json, old: Json | None) -> list[Cause]:
    if old is None or not old.get("immutable"):
        return []
    if not obj.get("immutable"):
        return [Cause("immutable", "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")]
    if any(obj.get(key) != old.get(key) for key in ("data", "binaryData")):
        return [Cause("data", "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")]
    return []


_FILLERS: dict[tuple[str, str], Callable[[Json], None]] = {
    ("", "secrets"): _fill_secret,
    ("", "services"): _fill_service,
    ("", "pods"): _fill_pod,
    ("apps", "deployments"): _fill_workload,
    ("apps", "replicasets"): _fill_workload,
    ("batch", "jobs"): _fill_job,
}
_CHECKERS: dict[tuple[str, str], Callable[[Json, Json | None], list[Cause]]] = {
    ("", "pods"): _check_pod,
    ("", "services"): _check_service,
    ("", "configmaps"): _check_immutable_data,
    ("", "secrets"): _check_immutable_data,
    ("apps", "deployments"): _check_workload,
    ("apps", "replicasets"): _check_workload,
    ("batch", "jobs"): _check_job,
}
