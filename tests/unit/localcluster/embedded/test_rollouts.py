import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcluster.embedded.rollouts import Bounds, Generation, bounds, plan_new, plan_old


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", Bounds(1, 1)),
        (1, "25%", "25%", Bounds(1, 0)),
        (10, "25%", "25%", Bounds(3, 2)),
        (3, 0, 0, Bounds(0, 1)),
        (3, 2, "100%", Bounds(2, 3)),
    ],
)
def test_surge_is_rounded_up_and_unavailable_down(
    replicas: int, surge: int | str, unavailable: int | str, expected: Bounds
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    assert bounds({"replicas": replicas, "strategy": {"rollingUpdate": rolling}}) == expected


def test_old_pod_stays_until_the_new_one_is_available() -> None:
    limits = Bounds(1, 0)
    assert plan_new(1, limits, Generation(0, 0), [Generation(1, 1)]) == 1
    assert plan_old(1, limits, Generation(1, 0), [Generation(1, 1)]) == [1]
    assert plan_old(1, limits, Generation(1, 1), [Generation(1, 1)]) == [0]


def test_broken_old_pods_go_first() -> None:
    assert plan_old(2, Bounds(1, 0), Generation(1, 1), [Generation(1, 0), Generation(1, 1)]) == [0, 1]


@given(
    replicas=st.integers(1, 10),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    start=st.integers(0, 10),
)
def test_rollout_ends_and_keeps_its_bounds(replicas: int, surge: int, unavailable: int, start: int) -> None:
    limits = bounds(
        {"replicas": replicas, "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}
    )
    new, old = Generation(0, 0), Generation(start, start)
    for _ in range(4 * (replicas + start) + 4):
        wanted = plan_new(replicas, limits, new, [old])
        assert wanted + old.wanted <= max(replicas + limits.surge, start)
        new = Generation(wanted, new.available)
        (keep,) = plan_old(replicas, limits, new, [old])
        if start >= replicas:
            assert new.available + min(keep, old.available) >= replicas - limits.unavailable
        old = Generation(keep, min(keep, old.available))
        new = Generation(new.wanted, new.wanted)
    assert (new.wanted, old.wanted) == (replicas, 0)
