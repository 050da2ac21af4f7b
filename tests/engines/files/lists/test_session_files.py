"""Files of sessions that are looked up together are those that are found one by one."""

from __future__ import annotations

import os
from pathlib import Path

from opcode_htmx.engines.claude.files import history, sessions
from opcode_htmx.engines.claude.files.lists.session_files import SessionFiles
from tests.sessions.index.histories import ONE, TWO, Session

NOBODY = "33333333-3333-4333-8333-333333333333"


def found_at_once(config_dir: Path) -> list[Path | None]:
    files = SessionFiles(sessions.listings(config_dir))
    summaries = [files.summary(each) for each in (ONE, TWO, NOBODY)]
    return [each.path if each else None for each in summaries]


def found_one_by_one(config_dir: Path) -> list[Path | None]:
    return [history.find(config_dir, each) for each in (ONE, TWO, NOBODY)]


def test_session_is_found_in_any_folder_as_of_now(tmp_path: Path) -> None:
    config_dir = tmp_path.resolve()
    assert found_at_once(config_dir) == [None] * 3
    first = Session(config_dir)
    first.prompt("plant trees")
    assert found_at_once(config_dir) == found_one_by_one(config_dir) == [first.path, None, None]
    second = Session(config_dir, TWO, "/srv/infra")
    second.prompt("water them")
    first.path.unlink()
    assert found_at_once(config_dir) == found_one_by_one(config_dir) == [None, second.path, None]
    files = SessionFiles(sessions.listings(config_dir))
    second.write('{"type": "custom-title", "customTitle": "Water"}\n')
    before, now = files.summary(TWO), SessionFiles(sessions.listings(config_dir)).summary(TWO)
    assert before and now and (before.title, now.name) == ("water them", "Water")


def test_newest_of_several_copies_is_found(tmp_path: Path) -> None:
    config_dir = tmp_path.resolve()
    copies = [Session(config_dir, ONE, cwd) for cwd in ("/a", "/b", "/c")]
    for copy, at in zip(copies, (5, 9, 7), strict=True):
        copy.prompt("plant trees")
        os.utime(copy.path, (at, at))
    assert found_at_once(config_dir)[0] == found_one_by_one(config_dir)[0] == copies[1].path
    os.utime(copies[2].path, (11, 11))
    assert found_at_once(config_dir)[0] == found_one_by_one(config_dir)[0] == copies[2].path


def test_link_to_a_file_is_found(tmp_path: Path) -> None:
    config_dir = tmp_path.resolve()
    there = Session(config_dir / "elsewhere")
    there.prompt("plant trees")
    folder = history.root(config_dir) / "-linked"
    folder.mkdir(parents=True)
    (folder / there.path.name).symlink_to(there.path)
    assert (
        found_at_once(config_dir)[0]
        == found_one_by_one(config_dir)[0]
        == folder / (there.path.name)
    )
