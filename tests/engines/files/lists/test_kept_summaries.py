"""Summaries that were kept from an earlier start are those that would be read now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import session_summary, sessions
from opcode_htmx.engines.claude.files.lists import folder_summaries, kept_summaries, project_lists
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.sessions.read_ahead import ReadAhead
from tests.sessions.index.histories import ONE, TWO, Session


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(folder_summaries, "MANY", 0)
    path = tmp_path.resolve() / "summaries"
    folder_summaries.keep_in(path)
    yield path
    folder_summaries.keep_in(None)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read."""
    found: list[Path] = []
    summarize = session_summary.summarize

    def read(path: Path, size: int, mtime_ns: int) -> FileSummary:
        found.append(path)
        return summarize(path, size, mtime_ns)

    monkeypatch.setattr(folder_summaries, "summarize", read)
    return found


def start_again(kept: Path) -> None:
    """As another process would begin, which has nothing in memory."""
    folder_summaries._read.clear()
    folder_summaries._prompted.clear()
    project_lists._projects.clear()
    project_lists._outlines.clear()
    sessions._sessions.clear()
    session_summary.count_prompts._kept.clear()
    folder_summaries.keep_in(kept)


def two_sessions(kept: Path) -> tuple[Session, Session]:
    first, second = Session(kept.parent), Session(kept.parent, TWO, "/srv/infra")
    first.prompt("plant trees é")
    second.prompt("water them", at=7.5)
    second.write('{"type": "custom-title", "customTitle": "Water"}\n')
    return first, second


def test_files_that_have_not_changed_are_not_read_again(kept: Path, reads: list[Path]) -> None:
    two_sessions(kept)
    before = sessions.projects(kept.parent), sessions.recent(kept.parent, 9)
    folder_summaries.save()
    assert len(reads) == 2
    start_again(kept)
    assert (sessions.projects(kept.parent), sessions.recent(kept.parent, 9)) == before
    assert len(reads) == 2
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
        lambda path: os.utime(path, (5, 5)),
        lambda path: path.write_bytes(path.read_bytes().replace(b"plant", b"fell!")),
        lambda path: (
            (path.with_suffix(".x").write_bytes(path.read_bytes().upper()),)
            and path.with_suffix(".x").replace(path)
        ),
    ],
)
def test_file_that_has_changed_is_read_again(
    kept: Path, reads: list[Path], change: Callable[[Path], object]
) -> None:
    first, _ = two_sessions(kept)
    sessions.projects(kept.parent)
    folder_summaries.save()
    change(first.path)
    reads.clear()
    start_again(kept)
    sessions.projects(kept.parent)
    found = sessions.recent(kept.parent, 9)
    status = first.path.stat()
    fresh = session_summary.summarize(first.path, status.st_size, status.st_mtime_ns)
    assert reads == [first.path]
    assert fresh in found or fresh.title is None


def test_what_was_kept_is_not_read_for_a_few_files(
    kept: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_summaries, "MANY", 2)
    two_sessions(kept)
    sessions.projects(kept.parent)
    folder_summaries.save()
    start_again(kept)
    reads.clear()
    sessions.projects(kept.parent)
    assert len(reads) == 2


def test_what_was_not_asked_for_is_kept_and_what_is_gone_is_not(
    kept: Path, reads: list[Path]
) -> None:
    first, _ = two_sessions(kept)
    sessions.projects(kept.parent)
    folder_summaries.save()
    start_again(kept)
    third = Session(kept.parent, "33333333-3333-4333-8333-333333333333", "/srv/infra")
    third.prompt("and the hens")
    sessions.summaries(third.path.parent)
    folder_summaries.save()
    start_again(kept)
    reads.clear()
    sessions.projects(kept.parent)
    assert not reads
    first.path.unlink()
    start_again(kept)
    ReadAhead(kept.parent)._read()
    folder_summaries._kept.is_behind = True
    folder_summaries.save()
    assert ONE not in kept.read_text()


def test_start_that_shows_few_files_keeps_what_was_kept_of_the_others(
    kept: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_sessions(kept)
    before = sessions.projects(kept.parent)
    folder_summaries.save()
    start_again(kept)
    third = Session(kept.parent, "33333333-3333-4333-8333-333333333333", "/srv/hens")
    third.prompt("feed the hens")
    with monkeypatch.context() as patch:
        patch.setattr(folder_summaries, "MANY", 9)
        sessions.summaries(third.path.parent)
        folder_summaries.save()
    start_again(kept)
    reads.clear()
    found = sessions.projects(kept.parent)
    assert not reads
    assert len(found) == len(before) + 1


def test_what_is_gone_is_not_kept_by_a_start_that_reads_all_of_a_few_files(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_sessions(kept)
    sessions.projects(kept.parent)
    folder_summaries.save()
    start_again(kept)
    first.path.unlink()
    second.prompt("once more")
    monkeypatch.setattr(folder_summaries, "MANY", 9)
    ReadAhead(kept.parent)._read()
    assert TWO in kept.read_text()
    assert ONE not in kept.read_text()


def test_prompts_of_a_file_rewritten_with_its_size_and_time_are_counted_anew(kept: Path) -> None:
    first = Session(kept.parent)
    first.prompt("plant trees")
    first.prompt("water them")
    (project,) = sessions.projects(kept.parent)

    def counts() -> list[int | None]:
        sessions.projects(kept.parent)
        return [each.prompt_count for each in sessions.sessions(kept.parent, project.id)]

    assert counts() == [2]
    status, lines = first.path.stat(), first.path.read_bytes().splitlines(keepends=True)
    lines[-1] = b" " * (len(lines[-1]) - 1) + b"\n"
    other = first.path.with_suffix(".x")
    other.write_bytes(b"".join(lines))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(first.path)
    assert first.path.stat().st_size == status.st_size
    assert first.path.stat().st_mtime_ns == status.st_mtime_ns
    assert counts() == [1]
    folder_summaries.save()
    start_again(kept)
    assert counts() == [1]


def test_prompts_are_counted_once_for_all_starts(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    real = session_summary.count_prompts._read

    def count(path: Path, size: int, mtime_ns: int) -> int | None:
        counted.append(path.stem)
        return real(path, size, mtime_ns)

    monkeypatch.setattr(session_summary.count_prompts, "_read", count)
    first, second = two_sessions(kept)
    first.prompt("and water them")

    def listed() -> dict[str, int | None]:
        found = sessions.projects(kept.parent)
        return {
            each.id: each.prompt_count
            for project in found
            for each in sessions.sessions(kept.parent, project.id)
        }

    assert listed() == {ONE: 2, TWO: 1}
    assert sorted(counted) == [ONE, TWO]
    folder_summaries.save()
    start_again(kept)
    counted.clear()
    assert listed() == {ONE: 2, TWO: 1}
    assert not counted
    second.prompt("once more")
    assert listed() == {ONE: 2, TWO: 2}
    assert counted == [TWO]


def test_first_lists_of_a_start_need_no_file_that_was_kept(kept: Path, reads: list[Path]) -> None:
    for number in range(9):
        Session(kept.parent, f"{number:08}-0000-4000-8000-{0:012}").prompt("plant", at=number)
    before = sessions.recent(kept.parent, 3)
    (project,) = sessions.projects(kept.parent)
    folder_summaries.save()
    start_again(kept)
    reads.clear()
    assert sessions.recent(kept.parent, 3) == before
    (outlined,) = sessions.outline(kept.parent)
    assert (outlined.id, outlined.path) == (project.id, project.path)
    assert outlined.session_count == 9
    assert not reads


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"version": 1}', '{"version": 1, "files": {"x": 7}}', "other version"]
)
def test_damaged_file_is_made_anew(kept: Path, reads: list[Path], damage: str) -> None:
    two_sessions(kept)
    before = sessions.projects(kept.parent)
    folder_summaries.save()
    text = kept.read_text().replace(f'"version":{kept_summaries.VERSION}', '"version":0')
    kept.write_text(text if damage == "other version" else damage)
    start_again(kept)
    reads.clear()
    assert sessions.projects(kept.parent) == before
    assert len(reads) == 2
    folder_summaries.save()
    start_again(kept)
    reads.clear()
    assert sessions.projects(kept.parent) == before
    assert not reads
