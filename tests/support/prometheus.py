"""Prometheus's programs for tests: fetched when there are none, and a reason to skip when that does not work either."""

import os

import pytest

from localcluster.prometheus import NoPrometheusError, PrometheusPrograms, get_prometheus


def require_prometheus() -> PrometheusPrograms:
    """Get the programs; without them a test is skipped, but fails in CI."""
    try:
        return get_prometheus()
    except NoPrometheusError as error:
        reason = f"there is no Prometheus, and it could not be got: {error}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
