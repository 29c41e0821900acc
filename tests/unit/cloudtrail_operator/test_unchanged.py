"""What is remembered of verdicts spares work and never a write."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from cloudtrail_operator.core.change import Change
from cloudtrail_operator.core.evaluation import evaluate
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.observation import Collector
from cloudtrail_operator.core.source import Source, parse_source
from cloudtrail_operator.core.status import StatusTimes, build_status, compare
from cloudtrail_operator.reconcile.unchanged import UnchangedVerdicts
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.observations import build_answer, build_pod, build_wanted, observe
from support.pods import build_check
from support.sources import build_source

START = datetime(2026, 1, 1, tzinfo=UTC)
DENIED = build_check("QueueReachable", "False", "AccessDenied", "denied")
DESIRED = build_wanted()

reports = st.fixed_dictionaries(
    {"events": st.sampled_from([{"read": 1}, {"read": 2}])},
    optional={"checks": st.sampled_from([[], [DENIED]])},
)
looks = st.lists(st.tuples(reports, st.booleans(), st.booleans()), max_size=12)


def _judge(source: Source, at: datetime, report: dict[str, Any]) -> Verdict:
    collector = Collector(build_pod(DESIRED), build_answer(DESIRED, **report))
    return evaluate(DESIRED, observe(DESIRED, collector, at=at), source.status)


ONE, TWO = {"events": {"read": 1}}, {"events": {"read": 2}}


@given(looks)
@example([(ONE, False, False), (TWO, False, False), (TWO, True, False)])
def test_nothing_that_has_to_be_written_counts_as_repeated(
    looks: list[tuple[dict[str, Any], bool, bool]],
) -> None:
    """A collector says this and that, minutes pass, and somebody changes the source in between."""
    memory, generation, writes, stored = UnchangedVerdicts(), 1, 0, CloudTrailSourceStatus()
    for number, (report, due, edited) in enumerate(looks):
        now = START + timedelta(minutes=3 * number)
        generation += edited
        source = _build(generation, generation + writes, stored)
        verdict = _judge(source, now, report)
        status = build_status(source, verdict, stored, StatusTimes(now, timedelta(minutes=5)))
        change = compare(status, stored)
        if change is Change.MAJOR or (change is Change.MINOR and due):
            assert not memory.is_repeated(source, verdict, figures_due=due)
            writes, stored = writes + 1, status
        elif not memory.is_repeated(source, verdict, figures_due=due):
            memory.note(source, verdict, change)


def _build(generation: int, version: int, status: CloudTrailSourceStatus) -> Source:
    manifest = build_source()
    manifest["metadata"] |= {"uid": "u", "generation": generation, "resourceVersion": str(version)}
    return parse_source(manifest | {"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)})


def test_second_look_that_finds_the_same_is_repeated() -> None:
    memory, blank = UnchangedVerdicts(), _build(1, 1, CloudTrailSourceStatus())
    times = StatusTimes(START, timedelta(minutes=5))
    status = build_status(blank, _judge(blank, START, {}), blank.status, times)
    source = _build(1, 2, status)
    verdict = _judge(source, START, {})
    assert not memory.is_repeated(source, verdict, figures_due=True)
    memory.note(source, verdict, Change.NONE)
    assert memory.is_repeated(source, verdict, figures_due=True)
    assert memory.is_repeated(source, _judge(source, START, {"events": {"read": 5}}), figures_due=False)
    memory.forget(source.key)
    assert not memory.is_repeated(source, verdict, figures_due=True)
