"""Declarations in the state folder: plain names, each declared once."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.files.state_folders import StateDir, StateFolder


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/a", "RUNS", "logins.lock", "a\n"])
def test_a_name_that_is_not_plain_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be declared"):
        StateDir(tmp_path, [StateFolder(name, "odd")])


def test_a_name_is_declared_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be declared"):
        StateDir(tmp_path, [StateFolder("drafts", "one"), StateFolder("drafts", "two")])
