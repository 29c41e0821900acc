"""Desired and observed children become what to apply and what to delete."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cloudtrail_operator.core.names import MANIFEST_HASH_ANNOTATION, Manifest
from cloudtrail_operator.core.quantities import equal_quantities


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be written. Empty when nothing differs."""

    apply: tuple[Manifest, ...]
    delete: tuple[Manifest, ...]
    """No longer wanted. ConfigMaps among them are still in use by old pods until the rollout is over."""

    @property
    def is_empty(self) -> bool:
        """Whether all is as it should be."""
        return not self.apply and not self.delete


def identify(manifest: Manifest) -> tuple[str, str]:
    """Return what identifies a child among the children of one source: kind and name."""
    return manifest["kind"], manifest["metadata"]["name"]


def plan_changes(desired: Iterable[Manifest], observed: Iterable[Manifest], *, owner_uid: str) -> Plan:
    """Compare. What belongs to another owner (a deleted source of the same name) is left to the garbage collector."""
    wanted = {identify(manifest): manifest for manifest in desired}
    present = {identify(manifest): manifest for manifest in observed}
    return Plan(
        apply=tuple(
            manifest
            for identity, manifest in wanted.items()
            if identity not in present or not is_up_to_date(present[identity], manifest)
        ),
        delete=tuple(
            manifest
            for identity, manifest in present.items()
            if identity not in wanted and owner_of(manifest) == owner_uid and not is_going(manifest)
        ),
    )


def is_up_to_date(observed: Manifest, desired: Manifest) -> bool:
    """Say whether a child was made from this very manifest and still has every field of it.

    The hash catches fields that the manifest lost, the comparison what others changed since.
    """
    return (
        _annotations(observed).get(MANIFEST_HASH_ANNOTATION) == _annotations(desired)[MANIFEST_HASH_ANNOTATION]
        and covers(observed, desired)
        and not is_going(observed)
    )


def owner_of(manifest: Manifest) -> str | None:
    """Return the uid of a resource's controller."""
    references = manifest["metadata"].get("ownerReferences") or []
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def is_going(manifest: Manifest) -> bool:
    """Say whether a resource is being deleted."""
    return "deletionTimestamp" in manifest["metadata"]


def covers(observed: Any, desired: Any) -> bool:
    """Say whether `observed` has everything of `desired`. It has more: defaults of the API server, others' fields."""
    match desired:
        case {} | [] if not desired:
            return True  # the API server drops empty values
        case dict():
            return isinstance(observed, dict) and all(
                (key in observed and covers(observed[key], value)) or (not value and value in ({}, [], ""))
                for key, value in desired.items()
            )
        case list():
            return isinstance(observed, list) and _covers_list(observed, desired)
        case str():
            return observed == desired or (isinstance(observed, str) and equal_quantities(observed, desired))
        case _:
            return bool(observed == desired)


def _covers_list(observed: list[Any], desired: list[Any]) -> bool:
    """Compare lists. Lists with names are maps to the API server, where others may have added entries."""
    if all(isinstance(item, dict) and ("name" in item or "uid" in item) for item in desired):
        return all(any(covers(candidate, item) for candidate in observed) for item in desired)
    return len(observed) == len(desired) and all(map(covers, observed, desired))


def _annotations(manifest: Manifest) -> dict[str, str]:
    return manifest["metadata"].get("annotations") or {}
