"""Notification of writes to the files of a folder, by inotify and by polling."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.lib.files import file_watch
from opcode_htmx.lib.files.file_watch import (
    FolderWatcher,
    InotifyWatcher,
    PollingWatcher,
)
from tests.support.cli.supervision import until
from tests.support.environment import PATIENCE

SOON = 20.0
LONG_ENOUGH = 4 * file_watch.POLL_SECONDS
"""Seconds within which a change would certainly have been reported."""

Watcher = InotifyWatcher | PollingWatcher | FolderWatcher

needs_inotify = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture(params=[pytest.param(InotifyWatcher, marks=needs_inotify), PollingWatcher])
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    watcher: Watcher = request.param()
    yield watcher
    watcher.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "out.ndjson").touch()
    return folder


def watch(watcher: Watcher, folder: Path, callback: file_watch.Callback) -> None:
    """Call it after each change, without the names of the files."""
    watcher.watch_names(folder, lambda _: callback())


def append(path: Path, text: str = "more\n") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_write_is_reported(watcher: Watcher, folder: Path) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    append(folder / "out.ndjson")
    assert reported.wait(SOON)


def test_each_later_write_is_reported(watcher: Watcher, folder: Path) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    for _ in range(3):
        reported.clear()
        append(folder / "out.ndjson")
        assert reported.wait(SOON)


def test_write_to_any_file_of_the_folder_is_reported(watcher: Watcher, folder: Path) -> None:
    (folder / "err.log").touch()
    reported = Event()
    watch(watcher, folder, reported.set)
    append(folder / "err.log")
    assert reported.wait(SOON)


def test_replaced_file_is_reported(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    (tmp_path / "run.new").touch()
    (tmp_path / "run.new").replace(folder / "run.json")
    assert reported.wait(SOON)


def test_names_of_the_changed_files_are_reported(
    watcher: Watcher, folder: Path, tmp_path: Path
) -> None:
    reported = set[str]()
    watcher.watch_names(folder, reported.update)
    append(folder / "out.ndjson")
    (tmp_path / "run.new").touch()
    (tmp_path / "run.new").replace(folder / "run.json")
    until(lambda: reported == {"out.ndjson", "run.json"}, "both are reported, and nothing else")


def test_no_report_without_a_change(watcher: Watcher, folder: Path) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    assert not reported.wait(LONG_ENOUGH)


def test_change_is_reported_to_the_watch_of_its_folder_only(
    watcher: Watcher, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    here, there = Event(), Event()
    watch(watcher, folder, here.set)
    watch(watcher, other, there.set)
    append(folder / "out.ndjson")
    assert here.wait(SOON)
    assert not there.wait(LONG_ENOUGH)


def test_no_report_after_the_watch_has_ended(watcher: Watcher, folder: Path) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    watcher.unwatch(folder)
    append(folder / "out.ndjson")
    assert not reported.wait(LONG_ENOUGH)


def test_a_watch_may_end_in_its_own_callback(watcher: Watcher, folder: Path) -> None:
    calls = []

    def once() -> None:
        calls.append("reported")
        watcher.unwatch(folder)

    watch(watcher, folder, once)
    append(folder / "out.ndjson")
    until(lambda: calls, "the change is reported")
    append(folder / "out.ndjson")
    gevent.sleep(LONG_ENOUGH)
    assert calls == ["reported"]


def test_removed_folder_does_not_affect_other_watches(
    watcher: Watcher, folder: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    reported = Event()
    watch(watcher, gone, lambda: None)
    watch(watcher, folder, reported.set)
    gone.rmdir()
    gevent.sleep(LONG_ENOUGH)
    watcher.unwatch(gone)
    append(folder / "out.ndjson")
    assert reported.wait(SOON)


def test_closed_watcher_reports_nothing_and_lets_watches_end(
    watcher: Watcher, folder: Path
) -> None:
    reported = Event()
    watch(watcher, folder, reported.set)
    watcher.close()
    append(folder / "out.ndjson")
    assert not reported.wait(LONG_ENOUGH)
    watcher.unwatch(folder)


@needs_inotify
def test_changes_that_nobody_waits_for_gather_after_the_first_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "PATIENT_SECONDS", 2 * PATIENCE)
    is_urgent = [False]
    watcher, reported = InotifyWatcher(lambda: is_urgent[0]), list[int]()
    watch(watcher, folder, lambda: reported.append(1))
    append(folder / "out.ndjson")
    until(lambda: len(reported) == 1, "the first one is reported at once")
    for _ in range(3):
        append(folder / "out.ndjson")
        gevent.sleep(0.01)
    gevent.sleep(LONG_ENOUGH)
    assert len(reported) == 1
    is_urgent[0] = True
    watcher.hurry()
    until(lambda: len(reported) == 2, "the others are reported together, and at once")
    append(folder / "out.ndjson")
    until(lambda: len(reported) == 3, "and what comes later, too")
    watcher.close()


@needs_inotify
def test_changes_that_have_gathered_are_reported_together_after_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "PATIENT_SECONDS", 0.3)
    watcher, reported = InotifyWatcher(lambda: False), list[int]()
    watch(watcher, folder, lambda: reported.append(1))
    append(folder / "out.ndjson")
    until(lambda: len(reported) == 1, "the first one is reported at once")
    for _ in range(3):
        append(folder / "out.ndjson")
    until(lambda: len(reported) == 2, "the others are reported together")
    gevent.sleep(LONG_ENOUGH)
    assert len(reported) == 2
    append(folder / "out.ndjson")
    until(lambda: len(reported) == 3, "what comes after a pause is reported, too")
    watcher.close()


@needs_inotify
def test_change_dropped_by_a_full_kernel_queue_is_reported(folder: Path, tmp_path: Path) -> None:
    busy = tmp_path / "busy"
    busy.mkdir()
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watcher = InotifyWatcher()
    reported = Event()
    names = [{"unreported"}]

    def changed(found: Set[str]) -> None:
        names.append(set(found))
        reported.set()

    watch(watcher, busy, lambda: None)
    watcher.watch_names(folder, changed)
    with (busy / "a").open("wb", buffering=0) as a, (busy / "b").open("wb", buffering=0) as b:
        for _ in range(limit // 2 + 1):  # two files in turn, else the kernel merges the events
            a.write(b"x")
            b.write(b"x")
    append(folder / "out.ndjson")
    try:
        assert reported.wait(SOON)
        assert names[-1] == file_watch.UNKNOWN
    finally:
        watcher.close()


@needs_inotify
def test_folders_are_polled_when_the_inotify_instances_are_used_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def used_up(self: InotifyWatcher, is_urgent: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(InotifyWatcher, "__init__", used_up)
    _check_that_it_polls(folder, caplog)


@needs_inotify
def test_a_folder_is_polled_when_the_inotify_watches_are_used_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def used_up(self: InotifyWatcher, folder: Path, *_: object, **options: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(InotifyWatcher, "watch_names", used_up)
    _check_that_it_polls(folder, caplog)


def _check_that_it_polls(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    reported = Event()
    with caplog.at_level(logging.WARNING):
        watcher = FolderWatcher()
        watcher.watch(folder, reported.set)
    assert "inotify is used up" in caplog.text
    append(folder / "out.ndjson")
    assert reported.wait(SOON)
    reported.clear()
    watcher.unwatch(folder)
    append(folder / "out.ndjson")
    assert not reported.wait(LONG_ENOUGH)
    watcher.close()
