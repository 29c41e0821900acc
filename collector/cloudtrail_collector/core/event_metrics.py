"""Turns metric rules and the event records of a file into counts by rule and labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from cloudtrail_collector.core.cis_activities import CIS_ACTIVITIES, Selectors
from cloudtrail_collector.core.event_filter import SelectorLists, list_paths
from cloudtrail_collector.core.fields import FieldPlan
from cloudtrail_spec.event_metrics import MetricLabel, MetricRule

ReadRecord = Callable[[int], bytes]


class MatchKey(NamedTuple):
    """A rule, and the values of all labels in the order of MetricLabel; empty where the rule does not ask for one."""

    rule: str
    labels: tuple[str, ...]


class _Labels(msgspec.Struct):
    """The fields behind the labels, named as these are."""

    event_name: object = msgspec.field(name="eventName", default=None)
    event_source: object = msgspec.field(name="eventSource", default=None)
    region: object = msgspec.field(name="awsRegion", default=None)
    account_id: object = msgspec.field(name="recipientAccountId", default=None)
    error_code: object = msgspec.field(name="errorCode", default=None)
    identity: object = msgspec.field(name="userIdentity", default=None)

    def read(self) -> tuple[str, ...]:
        identity_type = self.identity.get("type") if isinstance(self.identity, dict) else None
        values = (self.event_name, self.event_source, self.region, self.account_id, self.error_code, identity_type)
        return tuple(value if isinstance(value, str) else "" for value in values)


_decode = msgspec.json.Decoder(_Labels).decode
_NO_LABELS = ("",) * len(MetricLabel)


class _Rule(NamedTuple):
    name: str
    alternatives: Sequence[Selectors]
    labels: Sequence[MetricLabel]


def expand_rules(rules: Iterable[MetricRule]) -> list[_Rule]:
    """Put the activities of presets in their place, each as a rule `<name>/<activity>`."""
    expanded: list[_Rule] = []
    for rule in rules:
        if rule.field_selectors is not None:
            expanded.append(_Rule(rule.name, [rule.field_selectors], rule.labels))
        else:
            expanded += [
                _Rule(f"{rule.name}/{activity}", alternatives, rule.labels)
                for activity, alternatives in CIS_ACTIVITIES.items()
            ]
    return expanded


def list_metric_paths(rules: Iterable[MetricRule]) -> list[str]:
    """List the fields that rules read."""
    return [path for rule in expand_rules(rules) for selectors in rule.alternatives for path in list_paths(selectors)]


def list_series(rules: Iterable[MetricRule]) -> list[MatchKey]:
    """List the series of rules without labels: they can begin at zero."""
    return [MatchKey(rule.name, _NO_LABELS) for rule in expand_rules(rules) if not rule.labels]


class EventCounter:
    """Compiled metric rules. Keeps nothing between files; may be used by several threads."""

    def __init__(self, rules: Sequence[MetricRule], plan: FieldPlan, mask: Callable[[bytes], bytes | None]) -> None:
        """`mask` masks a record, None when it cannot: labels are read behind it."""
        alternatives = [(rule, selectors) for rule in expand_rules(rules) for selectors in rule.alternatives]
        self._rules = [(rule.name, _choose(rule.labels)) for rule, _ in alternatives]
        self._selectors = SelectorLists((selectors for _, selectors in alternatives), plan)
        self._mask = mask

    def count(self, fields: Sequence[Any], read_record: ReadRecord) -> Mapping[MatchKey, int]:
        """Count the records that match, by rule and labels."""
        counts: Counter[MatchKey] = Counter()
        for index, number in self._selectors.find(fields, read_record):
            name, wanted = self._rules[number]
            labels = self._read_labels(read_record(index), wanted) if any(wanted) else _NO_LABELS
            counts[MatchKey(name, labels)] += 1
        return counts

    def _read_labels(self, record: bytes, wanted: Sequence[bool]) -> tuple[str, ...]:
        masked = self._mask(record)
        try:
            values = _NO_LABELS if masked is None else _decode(masked).read()
        except (msgspec.MsgspecError, RecursionError, ValueError):
            values = _NO_LABELS
        return tuple(value if is_wanted else "" for value, is_wanted in zip(values, wanted, strict=True))


def _choose(labels: Sequence[MetricLabel]) -> tuple[bool, ...]:
    return tuple(label in labels for label in MetricLabel)
