"""`kubectl cloudtrail pause|test|activate`: set spec.mode, guarded against changes by others, and wait if asked to."""

import argparse
import json
import sys

from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.plugin.connection import connect
from cloudtrail_operator.plugin.errors import FAILED, ChangedError, InputError, PluginError
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.managers import find_manager
from cloudtrail_operator.plugin.source_page import MODES
from cloudtrail_operator.plugin.sources import list_sources, read_source
from cloudtrail_operator.plugin.views import RESOURCE, SourceView, view_source
from cloudtrail_operator.plugin.waiting import wait_observed

COMMANDS = {"pause": "Paused", "test": "Test", "activate": "Active"}
FIELD_MANAGER = "kubectl-cloudtrail"
_ATTEMPTS = 3


def run_mode(options: argparse.Namespace) -> int:
    """Run the command on every source that is meant, whatever becomes of the others; return the exit code."""
    kubectl, mode = connect(options), COMMANDS[options.command]
    changed, failed = [], False
    for manifest in _find_sources(kubectl, options):
        source = view_source(manifest)
        try:
            _change(kubectl, manifest, mode, dry_run=options.dry_run)
            changed.append(source)
        except PluginError as error:
            sys.stderr.write(f"{source.key}: {error}\n")
            failed = True
    if options.wait and not options.dry_run:
        failed = not wait_observed(kubectl, changed, options.timeout) or failed
    return FAILED if failed else 0


def _find_sources(kubectl: Kubectl, options: argparse.Namespace) -> list[Manifest]:
    """Read all that are meant before any is changed: a misspelt name then changes nothing."""
    ways = [bool(options.names), options.selector is not None, options.all]
    if sum(ways) != 1:
        raise InputError("name the sources, or choose them by -l SELECTOR or --all; one of the three")
    if options.names:
        return [read_source(kubectl, options, name) for name in dict.fromkeys(options.names)]
    found = list_sources(kubectl, options, selector=options.selector)
    if not found:
        raise InputError(f"no source matches {options.selector}" if options.selector else "there is no source here")
    return found


def _change(kubectl: Kubectl, manifest: Manifest, mode: str, *, dry_run: bool) -> None:
    """Set the mode and say so. What others change meanwhile, all but this very field, is no reason to fail."""
    for attempt in range(1, _ATTEMPTS + 1):
        source = view_source(manifest)
        if source.deleting:
            raise PluginError("is being deleted")
        if source.mode == mode:
            sys.stdout.write(f"{source.key}: is in mode {mode} already\n")
            return
        try:
            _patch(kubectl, source, mode, dry_run=dry_run)
        except ChangedError as error:
            if attempt == _ATTEMPTS:
                raise PluginError(f"is being changed by somebody else; try again: {error}") from error
            manifest = _read_again(kubectl, source)
            continue
        _tell(manifest, source, mode, dry_run=dry_run)
        return


def _patch(kubectl: Kubectl, source: SourceView, mode: str, *, dry_run: bool) -> None:
    # `test` makes the API server refuse it for a source that was made anew, or whose mode is not the one that was seen.
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": source.uid},
        {"op": "test", "path": "/spec/mode", "value": source.mode},
        {"op": "replace", "path": "/spec/mode", "value": mode},
    ]
    kubectl.run(
        "patch", RESOURCE, source.name, f"--namespace={source.namespace}", "--type=json", f"--patch={json.dumps(patch)}",
        f"--field-manager={FIELD_MANAGER}", *(["--dry-run=server"] if dry_run else []),
    )  # fmt: skip


def _read_again(kubectl: Kubectl, source: SourceView) -> Manifest:
    return kubectl.get(RESOURCE, source.name, f"--namespace={source.namespace}", "--show-managed-fields")


def _tell(manifest: Manifest, source: SourceView, mode: str, *, dry_run: bool) -> None:
    note = " (dry run: nothing was changed)" if dry_run else ""
    sys.stdout.write(f"{source.key}: {source.mode} → {mode}: {MODES[mode]}{note}\n")
    sys.stdout.flush()
    manager = find_manager(manifest)
    if manager is not None:
        sys.stderr.write(f"warning: {source.key} {manager.describe()}\n")
