"""What a failed test leaves on the server that its module shares meets no other test.

After a failure all fixtures but those of the session are torn down: the test that is run once more
(docs/decisions/0088), and those behind it, begin with new ones. Tests need not be able to meet
their own sessions, files and settings, half made.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = report.failed or (call.when != "setup" and item.stash[_FAILED])
    return report


# Around that of pytest-rerunfailures, which keeps the shared fixtures for the next attempt.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if item.stash[_FAILED]:
        _tear_down_shared(item)
    try:
        return (yield)
    except BaseException:
        _tear_down_shared(item)
        raise


def _tear_down_shared(item: pytest.Item) -> None:
    item.session._setupstate.teardown_exact(item.session)  # type: ignore[arg-type]
