"""inotify: what is watched is reported once, by the name of the file, and errors are OSErrors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opcode_htmx.lib.files.inotify import Flags, Inotify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_changes_are_reported_until_the_watch_is_removed(tmp_path: Path) -> None:
    inotify = Inotify()
    watch = inotify.add(tmp_path, Flags.CREATE | Flags.DELETE)
    file = tmp_path / "hällo \udcff"
    file.touch()
    file.unlink()
    assert inotify.read() == [(watch, Flags.CREATE, file.name), (watch, Flags.DELETE, file.name)]
    assert inotify.read() == []
    inotify.remove(watch)
    file.touch()
    assert inotify.read() == [(watch, Flags.IGNORED, "")]
    inotify.remove(watch)  # again: nothing happens
    inotify.close()
    inotify.close()


def test_what_cannot_be_watched_is_an_os_error(tmp_path: Path) -> None:
    inotify = Inotify()
    with pytest.raises(FileNotFoundError):
        inotify.add(tmp_path / "nothing", Flags.MODIFY)
    with pytest.raises(NotADirectoryError):
        (tmp_path / "file").touch()
        inotify.add(tmp_path / "file", Flags.MODIFY | Flags.ONLYDIR)
    inotify.close()
