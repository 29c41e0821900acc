"""Waits until the operator has seen a change and the source is well, or until it is clear that it will not be."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.views import RESOURCE, SourceView, view_source

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a source is on its way."""

    done: bool
    hopeless: bool
    words: str


def judge_progress(source: SourceView) -> Progress:
    """Judge it as kstatus does: the status must be of this generation; Stalled ends the waiting."""
    ready, stalled = source.find("Ready"), source.find("Stalled")
    if not source.current or ready is None:
        return Progress(False, False, "waits for the operator to look at it")
    if stalled is not None and stalled.status == "True":
        return Progress(False, True, f"{stalled.reason}: {stalled.message}")
    if ready.status == "True" and source.running_mode == source.mode and source.find("Reconciling") is None:
        return Progress(True, False, f"ready, {ready.reason}")
    return Progress(False, False, f"{ready.reason}: {ready.message}")


def wait_observed(kubectl: Kubectl, sources: Sequence[SourceView], seconds: float) -> bool:
    """Wait for all of them, and say what happens meanwhile. False: not all are well."""
    deadline = time.monotonic() + seconds
    waiting, well = {source.key: source for source in sources}, True
    told: dict[str, str] = {}
    while waiting:
        for key, source in list(waiting.items()):
            progress = judge_progress(
                view_source(kubectl.get(RESOURCE, source.name, f"--namespace={source.namespace}"))
            )
            if told.get(key) != progress.words:
                told[key] = progress.words
                (sys.stdout if progress.done else sys.stderr).write(f"{key}: {progress.words}\n")
                sys.stdout.flush()
            if progress.done or progress.hopeless:
                del waiting[key]
                well = well and progress.done
        if waiting and time.monotonic() > deadline:
            for key in waiting:
                sys.stderr.write(f"{key}: not ready after {seconds:g} s\n")
            return False
        if waiting:
            time.sleep(POLL_SECONDS)
    return well
