"""`kubectl cloudtrail status`: a page about one source, or a table of all; once, or again and again."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cloudtrail_operator.plugin.backfill_section import select_backfills
from cloudtrail_operator.plugin.connection import connect
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.kubernetes_events import select_events
from cloudtrail_operator.plugin.source_page import SourcePage, render_page
from cloudtrail_operator.plugin.source_table import render_sources
from cloudtrail_operator.plugin.sources import (
    list_backfills,
    list_kubernetes_events,
    list_pods,
    list_sources,
    read_source,
)
from cloudtrail_operator.plugin.summaries import summarize_page, summarize_source
from cloudtrail_operator.plugin.views import view_pod, view_source

SHOWN_EVENTS = 8
WATCH_SECONDS = 2.0
_CLEAR_SCREEN = "\033[H\033[2J"


def run_status(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    kubectl = connect(options)
    show = _show_one if options.name else _show_all
    if options.watch:
        _watch(lambda: show(kubectl, options))
    sys.stdout.write(show(kubectl, options))
    return 0


def _watch(show: Callable[[], str]) -> None:
    """Show it again and again, until interrupted. On a terminal each page replaces the one before."""
    while True:
        page = show()
        sys.stdout.write((_CLEAR_SCREEN if sys.stdout.isatty() else "") + page)
        sys.stdout.flush()
        time.sleep(WATCH_SECONDS)


def _show_one(kubectl: Kubectl, options: argparse.Namespace) -> str:
    page = _read_page(kubectl, options)
    if options.output == "json":
        return _to_json(summarize_page(page))
    return render_page(page, datetime.now(UTC))


def _read_page(kubectl: Kubectl, options: argparse.Namespace) -> SourcePage:
    source = view_source(read_source(kubectl, options, options.name))
    pods, events = list_pods(kubectl, source), list_kubernetes_events(kubectl, source)
    backfills = list_backfills(kubectl, source)
    return SourcePage(
        source=source,
        pods=tuple(view_pod(item) for item in pods.items),
        pods_problem=pods.problem,
        events=tuple(select_events(events.items, source)[-SHOWN_EVENTS:]),
        events_problem=events.problem,
        backfills=select_backfills(backfills.items, source),
        backfills_problem=backfills.problem,
    )


def _show_all(kubectl: Kubectl, options: argparse.Namespace) -> str:
    found = list_sources(kubectl, options, selector=options.selector, everywhere=options.all_namespaces)
    sources = [view_source(item) for item in found]
    if options.output == "json":
        return _to_json([summarize_source(source) for source in sources])
    if not sources:
        sys.stderr.write("no sources" + ("" if options.all_namespaces else " in this namespace (-A shows all)") + "\n")
        return ""
    return render_sources(sources, datetime.now(UTC), everywhere=options.all_namespaces)


def _to_json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"
