"""`kubectl cloudtrail events`: the Kubernetes Events of a source and of all that the operator made for it, in order."""

import argparse
import json
import sys
from datetime import UTC, datetime

from cloudtrail_operator.plugin.connection import connect
from cloudtrail_operator.plugin.errors import PluginError
from cloudtrail_operator.plugin.kubernetes_events import render_events, select_events
from cloudtrail_operator.plugin.sources import list_kubernetes_events, read_source
from cloudtrail_operator.plugin.summaries import summarize_event
from cloudtrail_operator.plugin.views import view_source


def run_events(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    kubectl = connect(options)
    source = view_source(read_source(kubectl, options, options.name))
    found = list_kubernetes_events(kubectl, source)
    if found.problem:
        raise PluginError(found.problem)
    events = select_events(found.items, source)
    if options.output == "json":
        sys.stdout.write(json.dumps([summarize_event(event) for event in events], indent=2) + "\n")
    elif events:
        sys.stdout.write("\n".join(render_events(events, datetime.now(UTC))) + "\n")
    else:
        sys.stderr.write(f"{source.key}: no Kubernetes Events; they are kept for about an hour\n")
    return 0
