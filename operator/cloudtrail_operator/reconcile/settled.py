"""Remembers which sources had all children as they should be, so that the next look need not work that out again.

What a source should have depends on its spec and on what the cluster serves; what it has, on the versions of its
children. As long as none of these changes, there is nothing to apply and nothing to delete.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.core.source import Source, SourceKey

ChildVersions = frozenset[tuple[Kind, str, int]]


class Basis(NamedTuple):
    """All that decides about the children that a source should have, and those that it has."""

    uid: str
    generation: int
    autoscaler: Autoscaler
    children: ChildVersions


def find_basis(source: Source, autoscaler: Autoscaler, children: ChildVersions) -> Basis:
    """Gather what decides at this moment."""
    return Basis(source.uid, source.generation, autoscaler, children)


@dataclass(frozen=True, slots=True)
class _Finding:
    basis: Basis
    desired: Desired


class SettledSources:
    """The sources with nothing to apply or delete when they were looked at last."""

    def __init__(self) -> None:
        self._findings: dict[SourceKey, _Finding] = {}

    def find(self, key: SourceKey, basis: Basis) -> Desired | None:
        """Return what the source should have, without the manifests, if it has exactly that; None if nobody knows."""
        finding = self._findings.get(key)
        return finding.desired if finding is not None and finding.basis == basis else None

    def note(self, key: SourceKey, basis: Basis, desired: Desired) -> None:
        """Note that a source has what it should have. The manifests are not kept: they are large."""
        self._findings[key] = _Finding(basis, replace(desired, manifests=()))

    def forget(self, key: SourceKey) -> None:
        """Drop what is known of a source."""
        self._findings.pop(key, None)
