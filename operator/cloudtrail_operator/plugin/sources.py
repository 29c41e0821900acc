"""Finds sources in the cluster, and what belongs to them, for every command."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cloudtrail_operator.core.names import Manifest, selector_labels
from cloudtrail_operator.plugin.connection import in_namespace
from cloudtrail_operator.plugin.errors import MissingError, PluginError
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.views import RESOURCE, SourceView


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


def _try_list(kubectl: Kubectl, resource: str, source: SourceView, *arguments: str) -> Found:
    try:
        return Found(tuple(kubectl.get(resource, f"--namespace={source.namespace}", *arguments)["items"]))
    except PluginError as error:
        return Found(problem=str(error))


def _describe_place(options: argparse.Namespace) -> str:
    return f" in namespace {options.namespace}" if options.namespace else " in the context's namespace"


def _suggest(kubectl: Kubectl, options: argparse.Namespace, name: str) -> str:
    """Name sources that may have been meant: of all namespaces, or of the one that the user may list."""
    for everywhere in (True, False):
        try:
            found = list_sources(kubectl, options, everywhere=everywhere)
        except PluginError:
            continue
        return describe_suggestions(name, {item["metadata"]["name"]: item["metadata"]["namespace"] for item in found})
    return ""


def describe_suggestions(name: str, places: dict[str, str]) -> str:
    """Say which known names are like an unknown one; `places` has their namespaces."""
    if name in places:
        return f"; there is one in namespace {places[name]} (-n {places[name]})"
    close: Sequence[str] = get_close_matches(name, places, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(f'{item} (-n {places[item]})' for item in close)}?" if close else ""
