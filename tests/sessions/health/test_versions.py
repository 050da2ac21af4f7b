"""The check of versions: git, and the program that used the state folder last."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from opcode_htmx.config import state_format
from opcode_htmx.lib.version import __version__
from opcode_htmx.sessions.health import versions
from opcode_htmx.sessions.health.check import State
from tests.sessions.health.support import settings_of

pytestmark = pytest.mark.usefixtures("integration")


def test_all_versions_are_named(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, PATH=os.environ["PATH"])
    settings.state_dir.mkdir()
    state_format.claim(settings.state_dir)
    found = versions.versions(settings)
    assert found.state is State.OK
    assert found.facts["opcode-htmx"] == __version__
    assert {"Python", "gunicorn", "gevent", "git", "System"} <= found.facts.keys()
    assert found.facts["State folder"] == (
        f"format {state_format.FORMAT}, of opcode-htmx {__version__}"
    )


def test_a_missing_and_an_old_git_are_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = versions.versions(settings_of(tmp_path))
    assert (missing.state, missing.facts["git"]) == (State.WARNING, "missing")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    monkeypatch.setattr(versions, "GIT_SECONDS", 0.2)
    hangs = versions.versions(settings_of(tmp_path, PATH=path))
    assert (hangs.state, hangs.facts["git"]) == (State.WARNING, "not known")
    assert "does not say its version: git took longer than 0.2 s." in hangs.summary
    program.write_text("#!/bin/sh\necho no licence >&2\nexit 69\n")
    refuses = versions.versions(settings_of(tmp_path, PATH=path))
    assert "git ended with status 69: no licence. Changes" in refuses.summary
    monkeypatch.setattr(versions, "git_version", lambda settings: "2.17.1")
    old = versions.versions(settings_of(tmp_path))
    assert (old.state, "older than" in old.summary) == (State.WARNING, True)


def test_a_state_folder_of_a_newer_version_or_a_damaged_one_is_a_problem(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, PATH=os.environ["PATH"])
    settings.state_dir.mkdir()
    file = settings.state_dir / state_format.FILE
    file.write_text(json.dumps({"version": 1, "format": 99, "program": "7.0"}))
    newer = versions.versions(settings)
    assert (newer.state, "Install 7.0" in newer.mend) == (State.PROBLEM, True)
    file.write_text("{")
    assert versions.versions(settings).state is State.PROBLEM
