"""Untracked files that go along into a copy are all on record, so that none is committed there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.sessions.worktrees import carrying
from tests.lib.git.integration.conftest import Orchard


def test_no_more_is_carried_than_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orchard = Orchard(tmp_path.resolve())
    orchard.make()
    for name in ("1.local", "2.local", "3.local"):
        orchard.write(orchard.top / name, "KEY=1\n")
    monkeypatch.setattr(carrying, "LISTED", 2)
    git = worktrees.at(orchard.top, orchard.environment)
    carried = carrying.carry(git, orchard.copy, ["*.local"])
    assert carried.paths == ["1.local", "2.local"]
    assert carried.problem == carrying.TOO_MUCH
    assert sorted(each.name for each in orchard.copy.glob("*.local")) == carried.paths


def test_a_file_that_is_all_length_is_not_carried(tmp_path: Path) -> None:
    orchard = Orchard(tmp_path.resolve())
    orchard.make()
    for name in ("1.local", "2.local", "3.local"):
        orchard.write(orchard.top / name, "KEY=1\n")
    os.truncate(orchard.top / "2.local", 1 << 40)
    carried = carrying.carry(
        worktrees.at(orchard.top, orchard.environment), orchard.copy, ["*.local"]
    )
    assert (carried.paths, carried.problem) == (["1.local", "3.local"], carrying.TOO_MUCH)
    assert sorted(each.name for each in orchard.copy.glob("*.local")) == carried.paths
