"""What may block is done in a greenlet of its own after a folder has changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.lib.files import file_watch
from opcode_htmx.lib.files.file_watch import FolderListener
from tests.support.cli.supervision import until

SOON = 20.0
LONG_ENOUGH = 4 * file_watch.POLL_SECONDS
"""Seconds within which a change would certainly have been reported."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("more\n")


@contextlib.contextmanager
def listening(folder: Path, changed: Callable[[], None], **options: Any) -> Iterator[None]:
    listener = FolderListener(folder, changed, "nothing was done", **options)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def test_a_listener_may_block_and_hears_of_changes_meanwhile(folder: Path) -> None:
    begun, may_end, calls = Event(), Event(), list[int]()

    def changed() -> None:
        calls.append(1)
        begun.set()
        assert may_end.wait(SOON)

    with listening(folder, changed):
        append(folder / "file")
        assert begun.wait(SOON)
        for _ in range(3):
            append(folder / "file")
        gevent.sleep(LONG_ENOUGH)
        assert len(calls) == 1
        may_end.set()
        until(lambda: len(calls) == 2, "the changes during the first call are followed by one")
        gevent.sleep(LONG_ENOUGH)
        assert len(calls) == 2


def test_a_listener_to_one_file_hears_of_no_other(folder: Path) -> None:
    calls: list[int] = []
    with listening(folder, lambda: calls.append(1), name="file"):
        append(folder / "another")
        gevent.sleep(LONG_ENOUGH)
        assert not calls
        append(folder / "new")
        (folder / "new").rename(folder / "file")
        until(lambda: calls, "a replaced file is noticed")


def test_a_listener_that_fails_is_called_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def changed() -> None:
        calls.append(1)
        raise OSError("no disk")

    with listening(folder, changed):
        for count in (1, 2):
            append(folder / "file")
            until(lambda count=count: len(calls) == count, "it is called")  # type: ignore[misc]
    assert "nothing was done" in caplog.text


def test_a_listener_rests_between_two_calls_and_is_called_without_changes(folder: Path) -> None:
    times: list[float] = []
    with listening(folder, lambda: times.append(time.monotonic()), pause=0.2, at_least_every=0.05):
        until(lambda: len(times) == 3, "it is called without a change")
    assert all(b - a >= 0.2 for a, b in pairwise(times))


class SetAtItsTimeout(Event):
    """As a busy loop does it: the time of who waits is over before it is woken."""

    def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        gevent.sleep(0)
        self.set()
        return False


def test_a_change_at_the_moment_of_a_look_is_not_missed(folder: Path) -> None:
    calls: list[int] = []
    listener = FolderListener(folder, lambda: calls.append(1), "nothing was done")
    listener._is_due = SetAtItsTimeout()
    listener.start()
    until(lambda: calls, "it is called")
    listener.stop()


def test_a_listener_that_was_stopped_is_not_called(folder: Path) -> None:
    calls: list[int] = []
    with listening(folder, lambda: calls.append(1)):
        append(folder / "file")
        until(lambda: calls, "it is called")
    count = len(calls)
    append(folder / "file")
    gevent.sleep(LONG_ENOUGH)
    assert len(calls) == count


def overflow_events_of(folder: Path) -> None:
    """Write more, without a pause, than the kernel keeps for a reader."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    with (folder / "a").open("ab", 0) as one, (folder / "b").open("ab", 0) as other:
        for _ in range(most // 2 + 1):  # events that are alike and in a row count as one
            one.write(b".")
            other.write(b".")


@pytest.mark.parametrize("removals", [True, False], ids=["removals", "writes"])
@pytest.mark.parametrize("how", ["moved", "removed", "removed while open", "moved in a flood"])
def test_a_folder_in_the_place_of_one_that_is_gone_is_listened_to(
    folder: Path, how: str, removals: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "MISSING_SECONDS", 0.05)
    monkeypatch.setattr(file_watch, "LOOK_SECONDS", 0.1)
    seen: list[list[str]] = []
    heard = folder / "heard"
    heard.mkdir()
    (heard / "old").touch()

    def look() -> None:
        seen.append(sorted(each.name for each in heard.iterdir()) if heard.is_dir() else ["gone"])

    with contextlib.ExitStack() as stack:
        stack.enter_context(listening(heard, look, removals=removals))
        if how == "removed while open":
            stack.callback(os.close, os.open(heard, os.O_RDONLY))
        if how == "moved in a flood":
            overflow_events_of(heard)
        if how.startswith("moved"):
            heard.rename(folder / "moved")
        else:
            shutil.rmtree(heard)
        until(lambda: seen and seen[-1] == ["gone"], "it hears that the folder is gone")
        made = folder / "made"
        made.mkdir()
        (made / "new").touch()
        made.rename(heard)
        until(lambda: seen[-1] == ["new"], "it finds what is in its place")
        (heard / "another").touch()
        until(lambda: seen[-1] == ["another", "new"], "it hears of changes there")
        (folder / "moved").mkdir(exist_ok=True)
        count = len(seen)
        (folder / "moved" / "another").touch()
        gevent.sleep(LONG_ENOUGH)
        assert len(seen) == count, "it hears no more of the old one, and of nothing twice"
