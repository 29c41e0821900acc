"""What may go wrong between a program and AWS, and the rules that say when it does. Pure; `fault_proxy` carries it out.

Chances are drawn from seed, rule, what the call is about and how often that was asked for: the same seed hits the same
objects, whatever the order in which threads ask for them.
"""

import fnmatch
import random
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcluster.aws.aws_calls import Call, Service


@dataclass(frozen=True, slots=True)
class AwsFailure:
    """AWS is not asked; the answer is its error."""

    status: int
    code: str
    message: str = "as the test commands"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delay:
    """The request reaches AWS after some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Trickle:
    """The body comes in pieces of so many bytes, with a pause before each."""

    piece: int
    pause: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Only this share of the body comes, whatever Content-Length says; then the connection ends."""

    keep: float = 0.5


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One byte of the body is inverted, at this share of it."""

    at: float = 0.5


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset; AWS never sees the request."""


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """AWS does what was asked for, but the connection is reset before it can say so."""


@dataclass(frozen=True, slots=True)
class Silence:
    """The request is taken and never answered."""


@dataclass(frozen=True, slots=True)
class FailedEntries:
    """AWS carries out a batch call but for its first `count` entries (None: for none), which it says have failed."""

    code: str
    sender_fault: bool
    count: int | None = 1


Fault = AwsFailure | Delay | Trickle | Cut | Corrupt | Reset | LostAnswer | Silence | FailedEntries


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which calls a rule is about. `action` and `key` are shell patterns; `key_regex` is searched for; None is any."""

    service: Service | None = None
    action: str = "*"
    bucket: str | None = None
    key: str | None = None
    key_regex: str | None = None
    signed_for: str | None = None

    def matches(self, call: Call) -> bool:
        """Tell whether a call is meant."""
        return (
            self.service in (None, call.service)
            and fnmatch.fnmatchcase(call.action, self.action)
            and self.bucket in (None, call.bucket)
            and self.signed_for in (None, call.signed_for)
            and (self.key is None or fnmatch.fnmatchcase(call.key, self.key))
            and (self.key_regex is None or re.search(self.key_regex, call.key) is not None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to calls, and how often: at most `times` in all, `each` for one subject, with some chance.

    Rules are told apart by `name`; it is also what chances are drawn from.
    """

    name: str
    where: Where
    fault: Fault
    times: int | None = None
    each: int | None = None
    chance: float = 1.0


class RuleBook:
    """The rules in force. The first that matches, and is not used up, decides about a call."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: dict[str, Rule] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._struck: Counter[tuple[str, str]] = Counter()

    def put(self, rule: Rule) -> None:
        """Add a rule behind the others, or replace the one of that name; it begins unused."""
        with self._lock:
            self._remove(rule.name)
            self._rules[rule.name] = rule

    def remove(self, name: str) -> None:
        """Remove a rule, if it is there."""
        with self._lock:
            self._remove(name)

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            for name in list(self._rules):
                self._remove(name)

    def count_strikes(self) -> dict[str, int]:
        """Count how often each rule in force has struck."""
        with self._lock:
            return {name: self._struck[name, ""] for name in self._rules}

    def choose(self, call: Call) -> Fault | None:
        """Choose what happens to a call, and note that it does; None when nothing shall."""
        with self._lock:
            for rule in self._rules.values():
                if rule.where.matches(call) and self._strikes(rule, call):
                    return rule.fault
            return None

    def _remove(self, name: str) -> None:
        self._rules.pop(name, None)
        for counts in (self._asked, self._struck):
            for key in [key for key in counts if key[0] == name]:
                del counts[key]

    def _strikes(self, rule: Rule, call: Call) -> bool:
        subject, whole = (rule.name, call.subject), (rule.name, "")
        number, self._asked[subject] = self._asked[subject], self._asked[subject] + 1
        if (
            rule.chance < 1
            and random.Random(f"{self._seed}/{rule.name}/{call.subject}/{number}").random() >= rule.chance
        ):
            return False
        if rule.times is not None and self._struck[whole] >= rule.times:
            return False
        if rule.each is not None and self._struck[subject] >= rule.each:
            return False
        self._struck[subject] += rule.each is not None
        self._struck[whole] += 1
        return True


def split_entries(fault: FailedEntries, arguments: Mapping[str, Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Split the entries of a batch call into those that AWS gets, and what it says about the others."""
    entries: Sequence[Any] = arguments.get("Entries", ())
    count = len(entries) if fault.count is None else fault.count
    failed = [
        {"Id": entry["Id"], "Code": fault.code, "SenderFault": fault.sender_fault, "Message": "as the test commands"}
        for entry in entries[:count]
    ]
    return list(entries[count:]), failed


@dataclass(frozen=True, slots=True)
class QuickReturns:
    """Who makes a message invisible for longer than `longer_than` seconds gives it back; it is to be gone for `seconds`."""

    longer_than: int
    seconds: int


def shorten_visibility(arguments: Mapping[str, Any], returns: QuickReturns) -> dict[str, Any]:
    """Shorten the back-off in a call that changes the visibility of one message or of a batch."""
    if "Entries" in arguments:
        return {**arguments, "Entries": [shorten_visibility(entry, returns) for entry in arguments["Entries"]]}
    asked = arguments["VisibilityTimeout"]
    return {**arguments, "VisibilityTimeout": returns.seconds if asked > returns.longer_than else asked}
