"""Leaves out what reads third-party records where there are none."""

import pytest

from support.real_records import TEST_DATA


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("third_party_data") is not None and not (TEST_DATA / "records").is_dir():
        pytest.skip("CLOUDTRAIL_TEST_DATA names no folder with records")
