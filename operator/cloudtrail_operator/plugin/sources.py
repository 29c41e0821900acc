"""Finds sources in the cluster, and what belongs to them, for every command."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cloudtrail_operator.core.names import Manifest, selector_labels
from cloudtrail_operator.plugin.backfill_section import BACKFILLS
from cloudtrail_operator.plugin.connection import in_namespace
from cloudtrail_operator.plugin.errors import MissingError, PluginError
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.views import RESOURCE, SourceView

_SUGGESTIONS = 3  # names that a message suggests at most


@dataclass(frozen=True, slots=True)
class Found:
    """Resources, or why they could not be read: a page is worth showing without them."""

    items: tuple[Manifest, ...] = ()
    problem: str | None = None


def read_source(kubectl: Kubectl, options: argparse.Namespace, name: str) -> Manifest:
    """Read one source. Raises MissingError with names that are similar."""
    try:
        return kubectl.get(RESOURCE, name, *in_namespace(options), "--show-managed-fields")
    except MissingError as error:
        if "not found" not in str(error):
            raise
        raise MissingError(
            f"there is no source {name}{_describe_place(options)}{_suggest(kubectl, options, name)}"
        ) from error


def list_sources(
    kubectl: Kubectl, options: argparse.Namespace, *, selector: str | None = None, everywhere: bool = False
) -> list[Manifest]:
    """List sources of the namespace, or of all."""
    place = ["--all-namespaces"] if everywhere else in_namespace(options)
    chosen = [f"--selector={selector}"] if selector else []
    items: list[Manifest] = kubectl.get(RESOURCE, *place, *chosen, "--show-managed-fields")["items"]
    return items


def list_pods(kubectl: Kubectl, source: SourceView) -> Found:
    """List the pods of a source's collectors."""
    labels = ",".join(f"{name}={value}" for name, value in selector_labels(source.name).items())
    return _try_list(kubectl, "pods", source, f"--selector={labels}")


def list_kubernetes_events(kubectl: Kubectl, source: SourceView) -> Found:
    """List all Kubernetes Events of a source's namespace."""
    return _try_list(kubectl, "events", source)


def list_backfills(kubectl: Kubectl, source: SourceView) -> Found:
    """List all backfills of a source's namespace."""
    return _try_list(kubectl, BACKFILLS, source)


def _try_list(kubectl: Kubectl, resource: str, source: SourceView, *arguments: str) -> Found:
    try:
        return Found(tuple(kubectl.get(resource, f"--namespace={source.namespace}", *arguments)["items"]))
    except PluginError as error:
        return Found(problem=str(error))


def _describe_place(options: argparse.Namespace) -> str:
    return f" in namespace {options.namespace}" if options.namespace else " in the context's namespace"


def _suggest(kubectl: Kubectl, options: argparse.Namespace, name: str) -> str:
    """Name sources that may have been meant: of the namespace that was asked, else of all that the user may list."""
    for everywhere in (False, True):
        try:
            found = list_sources(kubectl, options, everywhere=everywhere)
        except PluginError:
            continue
        places: dict[str, list[str]] = {}
        for item in found:
            places.setdefault(item["metadata"]["name"], []).append(item["metadata"]["namespace"])
        if suggestion := describe_suggestions(name, places):
            return suggestion
    return ""


def describe_suggestions(name: str, places: Mapping[str, Sequence[str]]) -> str:
    """Say which known names are like an unknown one; `places` has the namespaces of each."""
    if name in places:
        there = [f"namespace {place} (-n {place})" for place in sorted(places[name])]
        return f"; there is one in {_join_some(there, 'and')}"
    close = get_close_matches(name, places, n=_SUGGESTIONS, cutoff=0.6)
    meant = [f"{item} (-n {place})" for item in close for place in sorted(places[item])]
    return f"; did you mean {_join_some(meant, 'or')}?" if meant else ""


def _join_some(words: Sequence[str], conjunction: str) -> str:
    """Join the first few words; say how many are left out."""
    left = len(words) - _SUGGESTIONS
    return f" {conjunction} ".join([*words[:_SUGGESTIONS], *([f"{left} more"] if left > 0 else [])])
