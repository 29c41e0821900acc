"""For all tests: third-party records are read where there are some; how long an example takes is no property."""

import pytest
from hypothesis import settings

from support.real_records import TEST_DATA

# A busy machine must not fail a property; pytest-timeout ends what hangs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("third_party_data") is not None and not (TEST_DATA / "records").is_dir():
        pytest.skip("CLOUDTRAIL_TEST_DATA names no folder with records")
