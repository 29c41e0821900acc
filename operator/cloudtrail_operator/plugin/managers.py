"""Who else writes a source's mode: a GitOps tool or Helm would undo what is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cloudtrail_operator.core.names import Manifest

_FIELD_MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
}


@dataclass(frozen=True, slots=True)
class Manager:
    """A tool that manages the source, and what in it does."""

    tool: str
    owner: str

    def describe(self) -> str:
        """Say what it will do, and what to do about that."""
        who = f"{self.tool} ({self.owner})" if self.owner else self.tool
        if self.tool == "Helm":
            return f"is managed by {who}: the next `helm upgrade` may undo this; change its values, too"
        return f"is managed by {who}, which sets what Git says at its next sync: change spec.mode in Git, too"


def find_manager(manifest: Manifest) -> Manager | None:
    """Find it by the marks that the tools leave on what they manage, else by who last wrote spec.mode."""
    return next(_find_managers(manifest["metadata"]), None)


def _find_managers(metadata: Manifest) -> Iterator[Manager]:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if tracked := annotations.get("argocd.argoproj.io/tracking-id"):
        yield Manager("Argo CD", f"Application {tracked.split(':', 1)[0]}")
    if instance := labels.get("argocd.argoproj.io/instance"):
        yield Manager("Argo CD", f"Application {instance}")
    for prefix, kind in (("kustomize", "Kustomization"), ("helm", "HelmRelease")):
        if name := labels.get(f"{prefix}.toolkit.fluxcd.io/name"):
            place = labels.get(f"{prefix}.toolkit.fluxcd.io/namespace")
            yield Manager("Flux", f"{kind} {place}/{name}" if place else f"{kind} {name}")
    if release := annotations.get("meta.helm.sh/release-name"):
        yield Manager("Helm", f"release {release}")
    for entry in metadata.get("managedFields") or []:
        tool = _FIELD_MANAGERS.get(entry.get("manager", ""))
        if tool and _owns_mode(entry.get("fieldsV1")):
            yield Manager(tool, "")


def _owns_mode(fields: Any) -> bool:
    spec = fields.get("f:spec") if isinstance(fields, dict) else None
    return isinstance(spec, dict) and "f:mode" in spec
