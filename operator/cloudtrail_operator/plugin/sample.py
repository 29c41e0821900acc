"""`kubectl cloudtrail sample`: the last event records that a source's collectors delivered, masked as they left.

They are asked through the API server's proxy to pods, so that nothing has to be exposed and RBAC decides who may look.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cloudtrail_operator.plugin.connection import connect
from cloudtrail_operator.plugin.errors import FAILED, PluginError
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.samples import Sample, merge_samples, parse_samples, render_samples
from cloudtrail_operator.plugin.sources import list_pods, read_source
from cloudtrail_operator.plugin.views import PodView, SourceView, view_pod, view_source

MAX_COUNT = 100
"""As many as a collector remembers."""
FOLLOW_SECONDS = 2.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Answer:
    samples: tuple[Sample, ...] = ()
    problem: str | None = None


def run_sample(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    kubectl = connect(options)
    source = view_source(read_source(kubectl, options, options.name))
    samples, problems = _collect(kubectl, source)
    _warn(problems)
    _write(samples[-options.count :], _as_table(options))
    if not samples:
        sys.stderr.write(f"{source.key}: nothing was delivered since the collectors started\n" if not problems else "")
    if options.follow:
        _follow(kubectl, source, samples)
    return FAILED if problems else 0


def _follow(kubectl: Kubectl, source: SourceView, known: Sequence[Sample]) -> None:
    """Print what is new as lines, until interrupted. Of a burst some are missed: collectors keep a sample."""
    seen = {sample.line for sample in known}
    told: set[str] = set()
    while True:
        time.sleep(FOLLOW_SECONDS)
        samples, problems = _collect(kubectl, source)
        _warn([problem for problem in problems if problem not in told])
        told = set(problems)
        _write([sample for sample in samples if sample.line not in seen], as_table=False)
        # What the collectors forgot does not come back.
        seen = {sample.line for sample in samples} | (seen if problems else set())


def _collect(kubectl: Kubectl, source: SourceView) -> tuple[list[Sample], list[str]]:
    """Ask every pod; what all say in order, and why some say nothing. Raises PluginError if none can be asked."""
    pods = _find_pods(kubectl, source)
    with ThreadPoolExecutor(_AT_ONCE) as executor:
        answers = list(executor.map(lambda pod: _ask(kubectl, source, pod), pods))
    problems = [answer.problem for answer in answers if answer.problem]
    if len(problems) == len(answers):
        raise PluginError("\n".join(problems))
    return merge_samples(answer.samples for answer in answers), problems


def _find_pods(kubectl: Kubectl, source: SourceView) -> list[PodView]:
    found = list_pods(kubectl, source)
    if found.problem:
        raise PluginError(found.problem)
    pods = [view_pod(item) for item in found.items]
    running = [pod for pod in pods if pod.address]
    if not running:
        raise PluginError(_explain_absence(source, pods))
    return running


def _explain_absence(source: SourceView, pods: Sequence[PodView]) -> str:
    if source.mode == "Paused":
        return f"{source.key} is paused: no collector runs. `kubectl cloudtrail test {source.name}` starts them"
    if pods:
        troubles = "; ".join(f"{pod.name}: {pod.trouble or pod.phase}" for pod in pods)
        return f"no collector of {source.key} runs yet: {troubles}"
    return f"{source.key} has no collector: `kubectl cloudtrail status {source.name}` says why"


def _ask(kubectl: Kubectl, source: SourceView, pod: PodView) -> _Answer:
    """Ask for all that it remembers: what was delivered last need not be what happened last."""
    place = f"/api/v1/namespaces/{source.namespace}/pods/http:{pod.name}:{pod.port}/proxy/samples"
    try:
        text = kubectl.run("get", "--raw", f"{place}?limit={MAX_COUNT}")
    except PluginError as error:
        return _Answer(problem=_explain_failure(pod, str(error)))
    return _Answer(tuple(parse_samples(text)))


def _explain_failure(pod: PodView, words: str) -> str:
    if "address not allowed" in words:
        words = f"the API server does not connect to addresses like the pod's, {pod.address}"
    elif "error trying to reach service" in words:
        words += ". Does a NetworkPolicy keep the API server from the pod?"
    return f"{pod.name}: {words}"


def _as_table(options: argparse.Namespace) -> bool:
    """Decide by the option; without, a person at a terminal gets a table and a program lines."""
    if options.output:
        return bool(options.output == "table")
    return sys.stdout.isatty() and not options.follow


def _write(samples: Sequence[Sample], as_table: bool) -> None:
    lines = render_samples(samples) if as_table and samples else [sample.line for sample in samples]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _warn(problems: Sequence[str]) -> None:
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
