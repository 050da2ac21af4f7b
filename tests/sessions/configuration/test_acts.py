"""Acts on Claude's configuration: one at a time, and none long after it was asked for."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.sessions.configuration import acts
from opcode_htmx.sessions.configuration.acts import Acts
from tests.support.environment import PATIENCE


def test_act_that_has_waited_too_long_is_not_done_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "SECONDS", 0.2)
    monkeypatch.setattr(acts, "PATIENCE", 0.01)
    atomic_files.make_folder(tmp_path / "acts")
    done: list[str] = []

    def work() -> str:
        done.append("done")
        return "Done."

    every = Acts(tmp_path / "acts")
    with file_locks.held(tmp_path / "acts" / "lock"):  # by one of another worker
        begun = every.begin("Install", "/back", work)
        gevent.sleep(0.3)
        seen = every.get(begun.id)
        assert seen
        assert not seen.is_running
    with gevent.Timeout(PATIENCE):
        while (found := every.get(begun.id)) and not found.message:
            gevent.sleep(0.01)
    assert found
    assert "Try again" in found.outcome
    assert done == []
    monkeypatch.setattr(acts, "SECONDS", 60)
    monkeypatch.setattr(acts, "PATIENCE", PATIENCE)
    assert every.begin("Install", "/back", work).message == "Done."
