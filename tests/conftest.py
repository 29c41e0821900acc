"""For all tests: third-party records are read where there are some; an example may take long; Ctrl-C is heard."""

import signal

import pytest
from hypothesis import settings

from support.real_records import TEST_DATA

# A busy machine must not fail a property; pytest-timeout ends what hangs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("third_party_data") is not None and not (TEST_DATA / "records").is_dir():
        pytest.skip("CLOUDTRAIL_TEST_DATA names no folder with records")
