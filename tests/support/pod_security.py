"""What a pod breaks of the Pod Security Standard `restricted`, as its admission plugin would say."""

from typing import Any

Manifest = dict[str, Any]

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def list_violations(spec: Manifest) -> list[str]:
    """Judge the spec of a pod; empty when all is well. Beyond the standard, root file systems must be read-only."""
    context = spec.get("securityContext", {})
    found = [f"{key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not volume.keys() & _VOLUMES]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        found += [f"{container['name']}: {problem}" for problem in _judge(container, context)]
    return found


def _judge(container: Manifest, pod: Manifest) -> list[str]:
    own = container.get("securityContext", {})
    either = pod | own
    checks = {
        "runAsNonRoot": either.get("runAsNonRoot") is True and either.get("runAsUser") != 0,
        "seccompProfile": either.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "privileged": not own.get("privileged"),
        "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
        "host of a probe": not any("host" in container.get(f"{kind}Probe", {}).get("httpGet", {}) for kind in _PROBES),
    }
    return [name for name, holds in checks.items() if not holds]


_PROBES = ("startup", "readiness", "liveness")
