"""Reading many session files for a list: which of them, in what order, and how often."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import gevent
import pytest
from gevent import monkey

from opcode_htmx.engines.claude.files import session_summary, sessions
from opcode_htmx.engines.claude.files.lists import folder_summaries
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from tests.support.clients import api
from tests.support.environment import PATIENCE

NOON = 1_795_000_000
SHOP, INFRA = "-home-me-shop", "-srv-infra"


class Reads:
    """The config folder of a person, and the session files that were read, in order."""

    def __init__(self, config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config_dir = config_dir
        self.names: list[str] = []
        self._real = session_summary.summarize
        monkeypatch.setattr(folder_summaries, "summarize", self._summarize)

    def write(
        self, number: int, at: float, project: str = SHOP, cwd: str = "/home/me/shop"
    ) -> Path:
        """A session whose only prompt is its number, last used and modified at `at`."""
        path = self.config_dir / "projects" / project / f"{number:08}-0000-4000-8000-{0:012}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"type": "user", "cwd": cwd, "message": {"role": "user", "content": str(number)}}
        path.write_text(json.dumps(entry))
        os.utime(path, (at, at))
        return path

    def of(self, number: int) -> int:
        return self.names.count(str(number))

    def recent(self, most: int) -> list[str | None]:
        return [each.title for each in sessions.recent(self.config_dir, most)]

    def _summarize(self, path: Path, size: int, mtime_ns: int) -> FileSummary:
        self.names.append(str(int(path.name[:8])))
        return self._real(path, size, mtime_ns)


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(tmp_path, monkeypatch)


def hours(number: int) -> float:
    return NOON + number * 3600


def test_files_are_read_once_and_the_newest_of_all_folders_first(reads: Reads) -> None:
    for number in (3, 1, 4):
        reads.write(number, hours(number))
    for number in (2, 5):
        reads.write(number, hours(number), INFRA, "/srv/infra")
    sessions.projects(reads.config_dir)
    assert reads.names == ["5", "4", "3", "2", "1"]
    sessions.projects(reads.config_dir)
    sessions.sessions(reads.config_dir, SHOP)
    assert reads.recent(2) == ["5", "4"]
    assert len(reads.names) == 5


def test_only_the_newest_version_of_a_file_is_kept(reads: Reads) -> None:
    path = reads.write(1, hours(1))
    for hour in range(2, 6):
        os.utime(path, (hours(hour), hours(hour)))
        assert reads.recent(1) == ["1"]
    kept = [each for each in gc.get_objects() if isinstance(each, FileSummary)]
    assert [each.mtime_ns for each in kept if each.path == path] == [int(hours(5) * 1e9)]


def test_only_a_changed_file_is_read_again(reads: Reads) -> None:
    for number in range(4):
        reads.write(number, hours(number))
    sessions.projects(reads.config_dir)
    reads.names.clear()
    reads.write(2, hours(9))
    reads.write(7, hours(8))
    (project,) = sessions.projects(reads.config_dir)
    assert [name[:8] for name in project.session_ids] == [f"{n:08}" for n in (2, 7, 3, 1, 0)]
    assert reads.names == ["2", "7"]


def test_recent_sessions_need_only_the_newest_files(reads: Reads) -> None:
    for number in range(40):
        reads.write(number, hours(number), SHOP if number % 2 else INFRA)
    assert reads.recent(3) == ["39", "38", "37"]
    assert len(reads.names) <= 2 * folder_summaries.AT_ONCE
    assert reads.recent(3) == ["39", "38", "37"]
    assert reads.recent(50)[-1] == "0"
    assert len(reads.names) == 40


def test_recent_sessions_are_right_where_copied_files_are_newer_than_their_last_use(
    reads: Reads,
) -> None:
    copied = [reads.write(number, hours(number)) for number in range(20)]
    for number, path in enumerate(copied):
        stamp = f'"timestamp":"2026-01-{number + 1:02}T12:00:00.000Z"'
        path.write_text(path.read_text().replace('"type"', f'{stamp},"type"', 1))
        os.utime(path, (hours(90 - number), hours(90 - number)))
    reads.write(50, hours(30))
    assert reads.recent(2) == ["50", "19"]


def test_two_lists_at_once_read_each_file_once(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_summaries, "PIECE_SECONDS", 0)  # both take turns
    for number in range(12):
        reads.write(number, hours(number), SHOP if number % 2 else INFRA)
    first, second = (gevent.spawn(sessions.projects, reads.config_dir) for _ in range(2))
    third = gevent.spawn(sessions.sessions, reads.config_dir, SHOP)
    assert first.get() == second.get()
    assert len(third.get()) == 6
    assert [reads.of(number) for number in range(12)] == [1] * 12


def test_other_greenlets_run_while_files_are_read(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on = monkey.get_original("threading", "Event")()
    real = session_summary.summarize

    def reading(path: Path, size: int, mtime_ns: int) -> FileSummary:
        assert went_on.wait(PATIENCE), "nothing else ran in the meantime"
        return real(path, size, mtime_ns)

    monkeypatch.setattr(folder_summaries, "summarize", reading)
    reads.write(1, hours(1))
    listed = gevent.spawn(sessions.projects, reads.config_dir)
    gevent.sleep(0)
    assert not listed.ready()
    went_on.set()
    assert len(listed.get(timeout=PATIENCE)) == 1


def test_outline_reads_the_newest_file_of_a_large_folder(reads: Reads) -> None:
    for number in range(9):
        reads.write(number, hours(number))
    reads.write(20, hours(20), INFRA, "/srv/infra")
    infra, shop = sessions.outline(reads.config_dir)
    assert (infra.path, infra.session_count, infra.last_activity) == ("/srv/infra", 1, hours(20))
    assert (shop.id, shop.path, shop.session_count) == (SHOP, "/home/me/shop", 9)
    assert (shop.last_activity, shop.session_ids[0][:8]) == (hours(8), "00000008")
    assert sorted(reads.names) == ["20", "8"]
    assert sessions.projects(reads.config_dir) == sessions.outline(reads.config_dir)


def test_outline_has_no_project_without_a_prompt_and_a_path_where_any_session_has_one(
    reads: Reads,
) -> None:
    for number in range(9):
        reads.write(number, hours(number)).write_text("")
        path = reads.write(number, hours(number), INFRA, "/srv/infra" if number < 5 else "")
        if number >= 5:
            path.write_text(path.read_text().replace('"cwd": "",', ""))
    (only,) = sessions.outline(reads.config_dir)
    assert (only.id, only.path) == (INFRA, "/srv/infra")


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z"])
def test_time_in_the_result_of_a_tool_is_not_that_of_the_session(reads: Reads, stamp: str) -> None:
    path = reads.write(1, hours(1))
    result = {"timestamp": api.stamp(hours(2)), "mcpMeta": {"data": {"timestamp": stamp}}}
    entry = json.dumps({"type": "user", **result}, separators=(",", ":"))
    path.write_text(f"{path.read_text()}\n{entry}\n")
    (found,) = sessions.recent(reads.config_dir, 1)
    assert found.last_activity == hours(2)


def test_entry_with_a_time_of_no_calendar_counts_as_one_without(reads: Reads) -> None:
    path = reads.write(1, hours(1))
    path.write_text(f'{path.read_text()}\n{{"type":"user","timestamp":"0001-01-01T00:00:00Z"}}\n')
    os.utime(path, (hours(3), hours(3)))
    (found,) = sessions.recent(reads.config_dir, 1)
    assert found.last_activity == hours(3)
