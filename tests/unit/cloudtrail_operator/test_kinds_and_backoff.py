"""URL paths of kinds, and delays after failures."""

import pytest

from cloudtrail_operator.core.backoff import count_failure, delay_after
from cloudtrail_operator.core.kinds import Kind


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (10_000, 300.0)]
)
def test_retries_come_later_and_later_and_spread(failures: int, longest: float) -> None:
    assert delay_after(failures, 0.0) == longest
    assert delay_after(failures, 0.999) == pytest.approx(longest / 2, rel=0.01)


def test_failure_after_a_good_while_is_a_first_one() -> None:
    assert count_failure(0, 1.0, 60.0) == 1
    assert count_failure(5, 59.0, 60.0) == 6
    assert count_failure(5, 61.0, 60.0) == 1


@pytest.mark.parametrize(
    ("kind", "namespace", "path"),
    [
        (Kind.SOURCE, "a", "/apis/cloudtrail-operator.io/v1alpha1/namespaces/a/cloudtrailsources"),
        (Kind.POD, None, "/api/v1/pods"),
        (Kind.DEPLOYMENT, "a", "/apis/apps/v1/namespaces/a/deployments"),
    ],
)
def test_paths_of_collections(kind: Kind, namespace: str | None, path: str) -> None:
    assert kind.path(namespace) == path


def test_path_of_a_subresource() -> None:
    assert Kind.SOURCE.path("a", "b", "status").endswith("/namespaces/a/cloudtrailsources/b/status")
