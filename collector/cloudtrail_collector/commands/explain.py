"""Turns a pipeline into sentences: what is read, what each rule does, what is hidden, and where events go."""

from collections.abc import Iterable, Iterator, Sequence

from cloudtrail_spec.arn import Arn
from cloudtrail_spec.event_metrics import MetricRule
from cloudtrail_spec.filters import RULE_SET_DESCRIPTIONS, FieldSelector, FilterAction, FilterRule
from cloudtrail_spec.masks import MaskRule
from cloudtrail_spec.pipeline import DEFAULT_CLASSES, Mode, PipelineSpec
from cloudtrail_spec.sinks import SINK_KINDS, SinkSpec, SinkTarget

_MODES = {
    Mode.PAUSED: "Paused: nothing runs",
    Mode.TEST: "Test: events are delivered, messages are given back to the queue",
    Mode.ACTIVE: "Active: a message is deleted when every event of its log files was accepted",
}
# What stands before the values of an operator: of one value, of several, and between these.
_OPERATORS = {
    "equals": ("is", "is", "or"),
    "not_equals": ("is not", "is neither", "nor"),
    "starts_with": ("begins with", "begins with", "or"),
    "not_starts_with": ("does not begin with", "begins neither with", "nor"),
    "ends_with": ("ends with", "ends with", "or"),
    "not_ends_with": ("does not end with", "ends neither with", "nor"),
    "matches": ("matches", "matches", "or"),
    "not_matches": ("does not match", "matches neither", "nor"),
    "cidr": ("is in", "is in", "or"),
    "not_cidr": ("is not in", "is neither in", "nor"),
}
# Only what is there begins with nothing.
_PRESENCE = {("starts_with", ("",)): "is there", ("not_starts_with", ("",)): "is not there"}
_MAX_VALUES = 8


def explain(spec: PipelineSpec) -> Iterator[str]:
    """Explain a pipeline, a line at a time."""
    yield from _block("Mode", [_MODES[spec.mode]])
    yield from _block("Reads", _explain_reading(spec))
    yield from _block("Filters", _explain_filters(spec.filters))
    yield from _block("Masks", [explain_mask(mask) for mask in spec.mask] or ["nothing is hidden"])
    yield from _block("Metrics", [_explain_metric(rule) for rule in spec.metrics])
    yield from _block("Sinks", [_explain_sink(sink, spec) for sink in spec.sinks] or ["none"])
    yield from _block("Dead letters", [_explain_dead_letters(spec.dead_letter_sink)])


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{title if number == 0 else '':<14}{line}"


def _explain_reading(spec: PipelineSpec) -> list[str]:
    queue = Arn.parse(spec.queue_arn)
    below = f" below {spec.prefix}" if spec.prefix else ""
    buckets = _join([f"s3://{name}" for name in (spec.bucket, *spec.extra_buckets)], "and")
    policy = spec.objects_policy
    lines = [
        f"log files of {buckets}{below}, announced on queue {queue.resource} in {spec.region}",
        f"of these kinds: {', '.join(kind.value for kind in policy.classes or DEFAULT_CLASSES)}",
    ]
    lines += [f"of accounts {_join(policy.account_ids, 'and')} only"] if policy.account_ids else []
    lines += [f"of regions {_join(policy.regions, 'and')} only"] if policy.regions else []
    lines += [f"with role {spec.assume_role.role_arn}"] if spec.assume_role else []
    lines += ["event records that were delivered before are left out"] if spec.dedupe else []
    return lines


def _explain_filters(rules: Sequence[FilterRule]) -> list[str]:
    if not rules:
        return ["every event is kept"]
    numbered = [f"{number}. {explain_rule(rule)}" for number, rule in enumerate(rules, 1)]
    return [*numbered, "the first rule that matches decides; what none matches is kept"]


def explain_rule(rule: FilterRule) -> str:
    """Say in a sentence what a rule does."""
    if rule.rule_set is not None:
        return f"{rule.name}: {RULE_SET_DESCRIPTIONS[rule.rule_set]}"
    where = explain_selectors(rule.field_selectors or ())
    if rule.action is FilterAction.SAMPLE:
        return f"{rule.name}: keeps one in {rule.one_in} events, and drops the others, where {where}"
    return f"{rule.name}: {'drops' if rule.action is FilterAction.DROP else 'keeps'} events where {where}"


def explain_selectors(selectors: Iterable[FieldSelector]) -> str:
    """Say in a clause what selectors ask for."""
    return ", and ".join(
        f"{selector.field} {_PRESENCE.get((name, values)) or _explain_values(values, *words)}"
        for selector in selectors
        for name, words in _OPERATORS.items()
        if (values := getattr(selector, name)) is not None
    )


def _explain_values(values: Sequence[str], one: str, several: str, between: str) -> str:
    shown = [value or "(empty text)" for value in values[:_MAX_VALUES]]
    if len(values) > _MAX_VALUES:
        shown.append(f"{len(values) - _MAX_VALUES} more values")
    return f"{one if len(values) == 1 else several} {_join(shown, between)}"


def explain_mask(mask: MaskRule) -> str:
    """Say in a clause what a mask hides."""
    by = (
        "a keyed hash"
        if mask.hash
        else "the preset's own text"
        if mask.replacement is None
        else f'"{mask.replacement}"'
    )
    if mask.preset is not None:
        return f"{mask.preset.value} by {by}"
    return f"{mask.name}: {f'field {mask.field}' if mask.field else f'what matches {mask.pattern}'} by {by}"


def _explain_metric(rule: MetricRule) -> str:
    labels = f" by {', '.join(label.value for label in rule.labels)}" if rule.labels else ""
    what = (
        f"the set {rule.preset.value}"
        if rule.preset
        else f"events where {explain_selectors(rule.field_selectors or ())}"
    )
    return f"{rule.name}: counts {what}{labels}"


def _explain_sink(sink: SinkSpec, spec: PipelineSpec) -> str:
    takes = "every event"
    if sink.field_selectors is not None:
        takes = f"events where {explain_selectors(sink.field_selectors)}"
    return f"{sink.name} ({describe_kind(sink)}): {takes}, as {(sink.format or spec.format).value}"


def _explain_dead_letters(sink: SinkTarget | None) -> str:
    if sink is None:
        return "none: a message with what cannot be read or delivered is left to the queue's redrive policy"
    return f"{sink.name} ({describe_kind(sink)})"


def describe_kind(sink: SinkTarget) -> str:
    """Name the kind of a sink, and where it sends."""
    kind = next(kind for kind in SINK_KINDS if getattr(sink, kind) is not None)
    name = type(sink).model_fields[kind].alias or kind
    settings = getattr(sink, kind)
    where = next(
        (getattr(settings, field) for field in ("url", "path", "bucket", "topic") if hasattr(settings, field)), ""
    )
    return f"{name} {where}".rstrip()


def _join(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
