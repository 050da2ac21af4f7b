"""What a greenlet of a worker leaves unhandled is in the log, without what it was called with."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from opcode_htmx.web.server import worker


def test_an_error_of_a_greenlet_is_logged_with_its_traceback_and_no_argument(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(prompt: str) -> None:
        raise ValueError("no reason")

    hub: Any = gevent.get_hub()
    monkeypatch.setattr(hub, "print_exception", worker._log_exception)
    gevent.spawn(fail, "a prompt").join()
    (record,) = caplog.records
    assert "fail has failed" in record.getMessage()
    assert record.exc_info
    assert "no reason" in str(record.exc_info[1])
    assert "a prompt" not in record.getMessage()
