"""Turns filter rules, and the selectors of routes and metrics, into decisions about many event records at once.

Most rules test fields that have few values in all (eventName, readOnly, errorCode, …). What the rules say of a combination
of these is worked out once and looked up from then on: a verdict, or the rules that remain to be tried on the other fields.
Fields that must be computed from the whole record come last of a rule, and a record is parsed at most once.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

from cloudtrail_collector.core.falco import FALCO, FalcoExtract
from cloudtrail_collector.core.field_tests import Test, compile_test
from cloudtrail_collector.core.fields import FieldPlan, Getter, Value, read_text
from cloudtrail_collector.core.formats import FormatError
from cloudtrail_collector.core.formats.document import decode_record
from cloudtrail_spec.filters import FieldSelector, FilterAction, FilterRule
from cloudtrail_spec.rule_sets import expand_rule

EVENT_ID = "eventID"
# Paths whose values come from small sets that AWS defines. The product of their sizes bounds what is remembered in practice.
FEW_VALUED = frozenset(
    (
        *("eventName", "eventSource", "eventType", "eventCategory", "eventVersion", "apiVersion", "awsRegion"),
        *("errorCode", "readOnly", "managementEvent", "sessionCredentialFromConsole"),
        *("userIdentity.type", "userIdentity.invokedBy"),
    )
)
MAX_REMEMBERED = 16_384

ReadRecord: TypeAlias = Callable[[int], bytes]
_Record: TypeAlias = dict[str, Any]
_ReadDocument: TypeAlias = Callable[[], _Record]


class _FieldCheck(NamedTuple):
    """A test on a value that is made from the fields of a record."""

    read: Getter
    test: Test


class _DocumentCheck(NamedTuple):
    """A test on a value that is made from the whole record."""

    extract: FalcoExtract
    test: Test


class _Remainder(NamedTuple):
    """What is left to be tried of a rule whose few-valued fields match. `sample` is how many have one that is kept."""

    fields: tuple[_FieldCheck, ...]
    documents: tuple[_DocumentCheck, ...]
    verdict: int
    sample: int | None

    @property
    def is_certain(self) -> bool:
        """Say whether nothing is left: the rule matches, and decides alike about all records."""
        return not (self.fields or self.documents or self.sample)

    def decide(self, fields: Any, read_document: _ReadDocument, read_id: Getter | None) -> int:
        """Return the verdict, 0 when the rule does not match."""
        if not all(test(read(fields)) for read, test in self.fields):
            return 0
        if self.documents and not self._matches_document(read_document()):
            return 0
        if self.sample is None or read_id is None:
            return self.verdict
        return -self.verdict if _is_sampled(read_text(read_id(fields)), self.sample) else self.verdict

    def _matches_document(self, record: _Record) -> bool:
        return all(test(extract(record)) for extract, test in self.documents)


_Verdict: TypeAlias = int | tuple[_Remainder, ...]


class _Rule(NamedTuple):
    """A rule, its tests by what they cost: on the few-valued fields by their number in the key, and what remains."""

    few: tuple[tuple[int, Test], ...]
    remainder: _Remainder


class _Memory(dict[Hashable, _Verdict]):
    """Verdicts by the values of the few-valued fields; forgets all when it is full.

    `read_values` reads them of a key: a structure, a tuple, or the one value.
    """

    def __init__(self, decide: Callable[[Any], _Verdict], read_values: Callable[[Any], Sequence[Value]]) -> None:
        super().__init__()
        self._decide = decide
        self._read_values = read_values

    def __missing__(self, key: Any) -> _Verdict:
        values = self._read_values(key)
        verdict = self._decide(values)
        # 1 equals True as a key, but not as a value; and a list has no hash.
        if not any(value.__class__ is int or value.__class__ is list for value in values):
            if len(self) >= MAX_REMEMBERED:
                self.clear()
            self[key] = verdict
        return verdict


def _unpack(key: Any) -> Sequence[Value]:
    return key if isinstance(key, tuple) else (key,)


class _Rules:
    """Compiled rules: the first that matches decides."""

    def __init__(self, rules: Iterable[tuple[int, FilterRule]], plan: FieldPlan) -> None:
        rules = list(rules)
        paths = {path for _, rule in rules for one in rule.field_selectors or () if (path := get_path(one)) is not None}
        self._few = sorted(path for path in paths if path in FEW_VALUED)
        self._rules = [self._compile(number, rule, plan) for number, rule in rules]
        self._is_certain = all(rule.remainder.is_certain for rule in self._rules)
        self._getters = [plan.getters[path] for path in self._few]
        # A structure is hashed in a third of the time that it takes to make a tuple of its fields.
        self._are_fields_keys = bool(self._few) and plan.has_only(self._few)
        self._memory = _Memory(self._decide_few, self._read_values if self._are_fields_keys else _unpack)
        self._read_key = plan.build_key(self._few) if self._few else None
        has_samples = any(rule.one_in is not None for _, rule in rules)
        self._read_id = plan.getters[EVENT_ID] if has_samples else None

    def decide(self, fields: Sequence[Any], read_record: ReadRecord) -> list[int]:
        """Return for each record the verdict of the first rule that matches, 0 where none does."""
        verdicts = self._look_up(fields)
        if self._is_certain:
            return verdicts  # type: ignore[return-value]
        return [
            verdict if verdict.__class__ is int else self._decide_rest(verdict, fields[index], index, read_record)  # type: ignore[arg-type]
            for index, verdict in enumerate(verdicts)
        ]

    def _look_up(self, fields: Sequence[Any]) -> list[_Verdict]:
        if self._read_key is None:
            return [self._decide_few(())] * len(fields)
        try:
            keys = fields if self._are_fields_keys else map(self._read_key, fields)
            return list(map(self._memory.__getitem__, keys))
        except (AttributeError, TypeError):
            return [self._look_up_one(self._read_values(one), one) for one in fields]

    def _read_values(self, fields: Any) -> list[Value]:
        return [get(fields) for get in self._getters]

    def _look_up_one(self, values: list[Value], fields: Any) -> _Verdict:
        if any(value.__class__ is list for value in values):
            return self._decide_few(values)
        if self._are_fields_keys:
            return self._memory[fields]
        return self._memory[tuple(values) if len(values) > 1 else values[0]]  # type: ignore[index]

    def _decide_few(self, values: Sequence[Value]) -> _Verdict:
        """Decide as far as the few-valued fields tell: for certain, or with the rules that must be tried on others."""
        open_rules: list[_Remainder] = []
        for few, remainder in self._rules:
            if not all(test(values[place]) for place, test in few):
                continue
            if remainder.is_certain and not open_rules:
                return remainder.verdict
            open_rules.append(remainder)
            if remainder.is_certain:
                break
        return tuple(open_rules) if open_rules else 0

    def _decide_rest(self, remainders: tuple[_Remainder, ...], fields: Any, index: int, read_record: ReadRecord) -> int:
        return next(self._try(remainders, fields, index, read_record), 0)

    def _try(
        self, remainders: tuple[_Remainder, ...], fields: Any, index: int, read_record: ReadRecord
    ) -> Iterator[int]:
        """Yield the verdict of each rule that matches."""
        parsed: list[_Record] = []

        def read_document() -> _Record:
            if not parsed:
                parsed.append(_parse(read_record(index)))
            return parsed[0]

        for remainder in remainders:
            if verdict := remainder.decide(fields, read_document, self._read_id):
                yield verdict

    def _compile(self, number: int, rule: FilterRule, plan: FieldPlan) -> _Rule:
        few: list[tuple[int, Test]] = []
        fields: list[_FieldCheck] = []
        documents: list[_DocumentCheck] = []
        for selector in rule.field_selectors or ():
            path, test = get_path(selector), compile_test(selector)
            if path in FEW_VALUED:
                few.append((self._few.index(path), test))
            elif path is not None:
                fields.append(_FieldCheck(plan.getters[path], test))
            elif inputs := FALCO[selector.field].inputs:
                fields.append(_FieldCheck(_read_computed(selector.field, inputs, plan), test))
            else:
                documents.append(_DocumentCheck(FALCO[selector.field].extract, test))
        verdict = -number if rule.action is FilterAction.KEEP else number
        return _Rule(tuple(few), _Remainder(tuple(fields), tuple(documents), verdict, rule.one_in))


class _AllRules(_Rules):
    """Compiled rules, of which any number may match."""

    def find(self, fields: Sequence[Any], read_record: ReadRecord) -> Iterator[tuple[int, int]]:
        """Find the places of records and the numbers of the rules that match them."""
        for index, open_rules in enumerate(self._look_up(fields)):
            if isinstance(open_rules, tuple):
                for number in self._try(open_rules, fields[index], index, read_record):
                    yield index, number

    def _decide_few(self, values: Sequence[Value]) -> _Verdict:
        """Leave every rule open whose tests on few-valued fields hold."""
        return (
            tuple(remainder for few, remainder in self._rules if all(test(values[place]) for place, test in few)) or 0
        )


class RuleList:
    """Compiled filter rules. Decides about many records at once; may be used by several threads."""

    def __init__(self, rules: Sequence[FilterRule], plan: FieldPlan) -> None:
        entries = ((number, part) for number, rule in enumerate(rules, 1) for part in expand_rule(rule))
        self._rules = _Rules(entries, plan)

    def decide(self, fields: Sequence[Any], read_record: ReadRecord) -> list[int]:
        """Return for each record 0 when no rule matches, n when entry n (from 1) drops it, -n when entry n keeps it."""
        return self._rules.decide(fields, read_record)


class SelectorList:
    """Compiled selectors, all of which must hold: a route, or a metric's. May be used by several threads."""

    def __init__(self, selectors: Sequence[FieldSelector], plan: FieldPlan) -> None:
        self._rules = _Rules([(1, _build_rule(selectors))], plan)

    def match(self, fields: Sequence[Any], read_record: ReadRecord) -> list[bool]:
        """Say of each record whether all selectors hold."""
        return [verdict == 1 for verdict in self._rules.decide(fields, read_record)]


class SelectorLists:
    """Compiled lists of selectors that are asked about together: most records match none, and cost one look-up."""

    def __init__(self, lists: Iterable[Sequence[FieldSelector]], plan: FieldPlan) -> None:
        self._rules = _AllRules(((number, _build_rule(one)) for number, one in enumerate(lists, 1)), plan)

    def find(self, fields: Sequence[Any], read_record: ReadRecord) -> Iterator[tuple[int, int]]:
        """Find the places of records, and of the lists of which all selectors hold for them; both from 0."""
        for index, number in self._rules.find(fields, read_record):
            yield index, number - 1


def _build_rule(selectors: Sequence[FieldSelector]) -> FilterRule:
    return FilterRule.model_construct(
        name="selectors", action=FilterAction.DROP, field_selectors=tuple(selectors), one_in=None, rule_set=None
    )


def list_paths(selectors: Iterable[FieldSelector]) -> list[str]:
    """List the paths of records that selectors read; a field that needs the whole record has none."""
    paths: list[str] = []
    for selector in selectors:
        path = get_path(selector)
        paths += FALCO[selector.field].inputs if path is None else (path,)
    return paths


def list_rule_paths(rules: Iterable[FilterRule]) -> list[str]:
    """List the paths of records that filter rules read."""
    parts = [part for rule in rules for part in expand_rule(rule)]
    paths = [path for part in parts for path in list_paths(part.field_selectors or ())]
    return [*paths, EVENT_ID] if any(part.one_in is not None for part in parts) else paths


def get_path(selector: FieldSelector) -> str | None:
    """Return the path of the field that a selector reads; None when it must be computed."""
    field = FALCO.get(selector.field)
    return selector.field if field is None else field.path


def _read_computed(name: str, inputs: Sequence[str], plan: FieldPlan) -> Getter:
    """Build what computes a field from others, put together as a small record."""
    extract = FALCO[name].extract
    getters = [(path.split("."), plan.getters[path]) for path in inputs]

    def read(fields: Any) -> Value:
        record: _Record = {}
        for names, get in getters:
            value = get(fields)
            if value.__class__ is str or value.__class__ is bool or value.__class__ is int:
                parent = record
                for member in names[:-1]:
                    parent = parent.setdefault(member, {})
                parent[names[-1]] = value
        return extract(record)

    return read


def _parse(record: bytes) -> _Record:
    try:
        return decode_record(record)
    except FormatError:
        return {}


def _is_sampled(event_id: str | None, one_in: int) -> bool:
    """Choose one in so many by the id alone, so that every collector chooses the same; what has none stays."""
    if event_id is None:
        return True
    digest = blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % one_in == 0
