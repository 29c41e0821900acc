"""What the operator must be allowed to do in each namespace that it serves, by the kinds that it knows."""

from collections.abc import Iterator
from typing import NamedTuple

from cloudtrail_operator.core.kinds import CHILD_KINDS, OWNERS, Kind
from cloudtrail_operator.core.names import Manifest

_READ = ("get", "list", "watch")
_KEEP = (*_READ, "create", "patch", "delete")


class Right(NamedTuple):
    """One verb on one resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        """Say it as Kubernetes does: `create deployments.apps`."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}" + (f"/{self.subresource}" if self.subresource else "")


def list_rights() -> Iterator[Right]:
    """List what is needed: sources, backfills and pods are read, children are kept."""
    for kind in Kind:
        group, _, _ = kind.value.api_version.rpartition("/")
        for verb in _KEEP if kind in CHILD_KINDS else _READ:
            yield Right(verb, group, kind.value.plural)
    for kind in OWNERS:
        yield Right("patch", kind.value.api_version.rpartition("/")[0], kind.value.plural, "status")
    yield Right("create", "events.k8s.io", "events")


def build_review(right: Right, namespace: str) -> Manifest:
    """Build the question whether whoever asks has a right; without a namespace, in all of them."""
    attributes = {"namespace": namespace} | right._asdict()
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
