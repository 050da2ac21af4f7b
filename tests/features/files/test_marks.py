"""What git says of the files in a folder, whatever the folder's name is."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.features.files import marks
from tests.lib.git.commands.repo import Repo


@pytest.mark.parametrize("folder", [".github", "src.", "..a..", "a\nb", "a/.b", "x y"])
def test_marks_in_a_folder_with_an_odd_name(tmp_path: Path, folder: str) -> None:
    repo = Repo(tmp_path / "orchard").make()
    names = ("same", "changed", "new", "inner/changed")
    for name in names:
        if name != "new":
            repo.write(f"{folder}/{name}", "1\n")
    repo.commit()
    for name in names[1:]:
        repo.write(f"{folder}/{name}", "two\n")
    found = marks.marks_of(repo.top / folder, [*names[:3], "inner"], repo.environment)
    assert found.is_git
    assert not found.are_all_new
    assert [found.of(name) for name in ("same", "new", "inner")] == ["", marks.NEW, marks.INSIDE]
    assert found.of("changed") not in ("", marks.NEW)
