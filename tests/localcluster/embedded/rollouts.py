"""The arithmetic of a rollout: how many replicas of each generation, given what is available now. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from localcluster.embedded.jsontypes import Json


@dataclass(frozen=True, slots=True)
class Generation:
    """One ReplicaSet of a Deployment: how many replicas it should have, and has available."""

    wanted: int
    available: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a rollout may go above and below the wanted number."""

    surge: int
    unavailable: int


def bounds(deployment_spec: Json) -> Bounds:
    """Read maxSurge (rounded up) and maxUnavailable (rounded down) of a rolling update."""
    replicas = int(deployment_spec.get("replicas", 1))
    rolling = (deployment_spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(surge, min(unavailable, replicas))


def _share(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = replicas * int(value.rstrip("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def plan_new(replicas: int, limits: Bounds, new: Generation, old: Sequence[Generation]) -> int:
    """How many replicas the new generation should have now."""
    if new.wanted >= replicas:
        return replicas
    total = new.wanted + sum(generation.wanted for generation in old)
    room = replicas + limits.surge - total
    return new.wanted + max(0, min(room, replicas - new.wanted))


def plan_old(replicas: int, limits: Bounds, new: Generation, old: Sequence[Generation]) -> list[int]:
    """How many replicas each old generation should keep now: unavailable ones go first, then what is not needed."""
    least = replicas - limits.unavailable
    total = new.wanted + sum(generation.wanted for generation in old)
    spare = max(0, total - least - max(0, new.wanted - new.available))
    kept: list[int] = []
    for generation in old:
        sick = min(spare, max(0, generation.wanted - generation.available))
        spare -= sick
        kept.append(generation.wanted - sick)
    healthy_spare = max(0, new.available + sum(generation.available for generation in old) - least)
    for index, wanted in enumerate(kept):
        drop = min(healthy_spare, spare, wanted)
        healthy_spare -= drop
        spare -= drop
        kept[index] = wanted - drop
    return kept
