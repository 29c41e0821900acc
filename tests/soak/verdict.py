"""Holds what sinks, queues and the proxy saw against the plan. Pure: every finding is a line of text, none is good."""

import json
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from localcluster.aws.fault_proxy import Exchange
from soak.plan import DEAD_LETTER_REASONS, Announcement, Item, Kind, iterate_items
from soak.sinks import build_letter_id

MAX_FINDINGS = 20
# A machine that is out of breath lets a heartbeat come late now and then; more than that is a defect.
UNEXPLAINED_SHARE = 0.01
# An extension asks for the queue's own timeout; whatever else is asked for gives a message back.
VISIBILITY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen. Deliveries and letters by id with their number, `accepted_at` with the time of the first."""

    deliveries: Mapping[str, int]
    delivered_at: Mapping[str, float]
    letters: Mapping[str, int]
    lettered_at: Mapping[str, float]
    receives: Sequence[Exchange]
    deletes: Sequence[Exchange]
    changes: Sequence[Exchange]
    """Calls that changed visibility."""
    kills: Sequence[float]
    """When a collector was killed."""
    left: Sequence[str]
    """Bodies in the dead-letter queue."""


def list_letters(item: Item) -> list[str]:
    """List the dead letters that must come of an object."""
    reason = DEAD_LETTER_REASONS.get(item.kind)
    if reason is None:
        return []
    return [build_letter_id(reason, item.bucket, item.key, 0 if item.kind is Kind.BROKEN_RECORD else None)]


def judge(plan: Sequence[Announcement], evidence: Evidence) -> list[str]:
    """List everything that is not as it must be."""
    findings = [
        *_find_lost(plan, evidence),
        *_find_strange(plan, evidence),
        *_find_misplaced(plan, evidence),
        *_find_deleted_too_early(plan, evidence),
        *_find_unexplained(plan, evidence),
    ]
    return findings[:MAX_FINDINGS] + [f"… {len(findings)} in all"] * (len(findings) > MAX_FINDINGS)


def _find_lost(plan: Sequence[Announcement], evidence: Evidence) -> Iterator[str]:
    for item in iterate_items(plan):
        missing = [event for event in item.event_ids if not evidence.deliveries.get(event)]
        if missing:
            yield f"lost: {len(missing)} of {len(item.event_ids)} events of {item.key} ({item.kind})"
        yield from (f"not accounted for: {letter}" for letter in list_letters(item) if not evidence.letters.get(letter))


def _find_strange(plan: Sequence[Announcement], evidence: Evidence) -> Iterator[str]:
    """Find what no good file and no bad one explains: events out of thin air, letters about good files."""
    events = {event for item in iterate_items(plan) for event in item.event_ids}
    letters = {letter for item in iterate_items(plan) for letter in list_letters(item)}
    yield from (f"nobody announced event {event}" for event in evidence.deliveries.keys() - events)
    yield from (f"wrong dead letter: {letter}" for letter in evidence.letters.keys() - letters)


def _find_misplaced(plan: Sequence[Announcement], evidence: Evidence) -> Iterator[str]:
    must_stay = Counter(announcement.body for announcement in plan if announcement.stays)
    left = Counter(evidence.left)
    yield from (f"not in the dead-letter queue: {body[:200]}" for body in must_stay - left)
    yield from (f"wrongly in the dead-letter queue: {body[:200]}" for body in left - must_stay)


def _find_deleted_too_early(plan: Sequence[Announcement], evidence: Evidence) -> Iterator[str]:
    """Hold every delete that was asked for against what the sinks had accepted by then."""
    bodies = {receipt: body for _, receipt, body in _list_receives(evidence.receives)}
    by_body = {announcement.body: announcement for announcement in plan}
    for exchange in evidence.deletes:
        for entry in exchange.call.arguments.get("Entries", [exchange.call.arguments]):
            announcement = by_body[bodies[entry["ReceiptHandle"]]]
            if announcement.stays:
                yield f"deleted, but must stay: {announcement.body[:200]}"
            for item in announcement.items:
                if not _is_accepted(item, evidence, exchange.asked_at):
                    yield f"deleted before it was accepted: {item.key} ({item.kind})"


def _is_accepted(item: Item, evidence: Evidence, by: float) -> bool:
    never = float("inf")
    return all(evidence.delivered_at.get(event, never) <= by for event in item.event_ids) and all(
        evidence.lettered_at.get(letter, never) <= by for letter in list_letters(item)
    )


def count_receives(receives: Sequence[Exchange]) -> Counter[str]:
    """Count how often each body was handed out to a collector that could hear it."""
    return Counter(body for _, _, body in _list_receives(receives))


def _list_receives(receives: Sequence[Exchange]) -> Iterator[tuple[float, str, str]]:
    """List when, with which receipt and which body every message came."""
    for exchange in receives:
        if exchange.status == 200:
            for message in json.loads(exchange.answer).get("Messages", ()):
                yield exchange.asked_at, message["ReceiptHandle"], message["Body"]


def _find_unexplained(plan: Sequence[Announcement], evidence: Evidence) -> Iterator[str]:
    """Find duplicates that nothing explains: more deliveries than receives, or receives without a reason."""
    received = count_receives(evidence.receives)
    for announcement in plan:
        for item in announcement.items:
            most = max((evidence.deliveries.get(event, 0) for event in item.event_ids), default=0)
            if most > received[announcement.body]:
                yield f"delivered {most} times, received {received[announcement.body]} times: {item.key}"
    unexplained = count_unexplained_receives(evidence)
    if unexplained > max(2, UNEXPLAINED_SHARE * len(plan)):
        yield f"{unexplained} messages were received again though nobody had given them back, failed or been killed"


def count_unexplained_receives(evidence: Evidence) -> int:
    """Count receives that came after another one of the same message without a fault, a return or a kill in between."""
    excused = _list_excused_receipts(evidence)
    kills = sorted(evidence.kills)
    last: dict[str, tuple[float, str]] = {}
    count = 0
    for at, receipt, body in sorted(_list_receives(evidence.receives)):
        before = last.get(body)
        if before is not None and before[1] not in excused:
            count += bisect(kills, before[0]) == bisect(kills, at)
        last[body] = (at, receipt)
    return count


def _list_excused_receipts(evidence: Evidence) -> set[str]:
    """List the receipts that were given back, or named in a call that was struck."""
    excused = set()
    for exchange in (*evidence.changes, *evidence.deletes):
        for entry in exchange.call.arguments.get("Entries", [exchange.call.arguments]):
            gives_back = entry.get("VisibilityTimeout", VISIBILITY_SECONDS) != VISIBILITY_SECONDS
            if exchange.fault is not None or gives_back:
                excused.add(entry["ReceiptHandle"])
    return excused
