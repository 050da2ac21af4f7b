"""State files are written atomically, carry a version, and are never overwritten unread."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from opcode_htmx.api.service.chats import Chat, ChatStore
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import (
    SENTENCE,
    DiskFull,
    free_bytes,
    is_full,
)
from opcode_htmx.lib.files.json_fields import field_or
from opcode_htmx.lib.files.json_files import JsonFileSchema, PartialJsonFileSchema
from opcode_htmx.runs.options.store import Options, OptionStore
from opcode_htmx.sessions.storage.drafts import Draft, Drafts
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from tests.support.cli.supervision import disk_that_waits, until
from tests.support.environment import ROOT

SESSION = "0f5e1cf2-6c1c-4c1e-8a53-2f1f5d0a9e11"
FORM = JsonFileSchema(2, lambda found: int(found["number"]))


def test_value_is_read_back_with_its_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert FORM.read(path) is None
    FORM.write(path, {"number": 7})
    assert FORM.read(path) == 7
    assert json.loads(path.read_bytes()) == {"version": 2, "number": 7}


@pytest.mark.parametrize("content", ['{"number": 1}', '{"version": 1, "number": 1}'])
def test_files_of_earlier_versions_are_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert FORM.read(path) == 1


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"number": "x"}', "{}", '{"version": 3, "number": 1}', "\x00" * 40]
    + ['{"version": "2", "number": 1}', '{"version": true', '{"version": 0, "number": 1}'],
)
def test_unreadable_file_is_logged_once_and_quarantined(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    for _ in range(3):
        assert FORM.read(path) is None
    assert path.read_text() == content
    assert caplog.text.count("a.json cannot be read and is left alone") == 1
    FORM.write(path, {"number": 2})
    assert FORM.read(path) == 2
    (copy,) = tmp_path.glob("a.json.unreadable-*")
    assert copy.read_text() == content
    assert f"is kept as {copy.name}" in caplog.text


def test_a_file_that_is_damaged_in_part_is_copied_once_before_it_is_written_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(found: dict[str, Any], left_out: list[str]) -> list[int]:
        return [field_or(found, name, int, 0, left_out) for name in ("a", "b")]

    path, form = tmp_path / "a.json", PartialJsonFileSchema(1, parse)
    damaged = '{"version": 1, "a": 7, "b": "x"}'
    path.write_text(damaged)
    cached = CachedJsonFiles(form, 1)
    for _ in range(3):
        assert form.read(path) == cached.read(path) == [7, 0]
    assert path.read_text() == damaged
    assert caplog.text.count("a.json is damaged, and left out is 'b'") == 1
    with monkeypatch.context() as full:
        full.setattr(atomic_files, "write", refusing(path, atomic_files.write))
        for _ in range(2):
            with pytest.raises(OSError, match="full"):
                cached.write(path, {"a": 7, "b": 0})
    assert path.read_text() == damaged
    cached.write(path, {"a": 7, "b": 1})
    form.write(path, {"a": 7, "b": 2})
    assert cached.read(path) == [7, 2]
    (copy,) = tmp_path.glob("a.json.unreadable-*")
    assert copy.read_text() == damaged
    assert caplog.text.count(f"a copy is kept as {copy.name}") == 1


def refusing(refused: Path, write: Callable[..., None]) -> Callable[..., None]:
    """Writes all files but one: the disk is full then."""

    def otherwise(path: Path, content: bytes, **options: Any) -> None:
        if path == refused:
            raise OSError("full")
        write(path, content, **options)

    return otherwise


def test_drafts_options_chats_and_marks_of_a_later_version_are_kept(tmp_path: Path) -> None:
    later = '{"version": 99, "what": "nobody knows yet"}'
    places = {
        "draft": tmp_path / "drafts" / SESSION / "draft.json",
        "options": tmp_path / "options" / f"{SESSION}.json",
        "chat": tmp_path / "chats" / f"{SESSION}.json",
        "marks": tmp_path / "marks.json",
    }
    for path in places.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(later)
    drafts, options = Drafts(tmp_path / "drafts"), OptionStore(tmp_path / "options")
    chats = ChatStore(tmp_path / "chats")
    assert drafts.get(SESSION) == Draft()
    assert options.get(SESSION) == Options()
    assert chats.get(SESSION) is None
    assert chats.all() == []
    drafts.save_text(SESSION, "new words")
    options.change(SESSION, model="opus")
    chats.keep(Chat(SESSION, "/", "", 1.0))
    ReadPositions(tmp_path / "marks.json").look(SESSION)
    assert drafts.get(SESSION).text == "new words"
    for path in places.values():
        (copy,) = path.parent.glob(f"{path.name}.unreadable-*")
        assert copy.read_text() == later
        assert json.loads(path.read_bytes())["version"] == 1


WRITER = """
import os, sys
from pathlib import Path
from opcode_htmx.lib.files.json_files import JsonFileSchema
form = JsonFileSchema(1, lambda found: found)
path = Path(sys.argv[1])
for line in sys.stdin:
    writer, number = os.fork(), 0
    while not writer:
        number += 1
        form.write(path, {"number": number, "rest": "x" * (number % 7 * 30_000)})
    print(writer, flush=True)
    os.waitpid(writer, 0)
    print("it has ended", flush=True)
"""
"""Starts a process that writes for each line, and prints its number, and a line when it has ended:
a Python for each of them would take longer than what they write."""


def test_a_writer_that_is_killed_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    path, chance = tmp_path / "a.json", random.Random(5)  # noqa: S311 - moments to kill at
    newest = 0
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:
        assert writers.stdin
        assert writers.stdout
        for _ in range(12):
            before = path.stat().st_mtime_ns if path.exists() else 0
            print(file=writers.stdin, flush=True)
            writer = int(writers.stdout.readline())
            try:
                until(
                    lambda before=before: path.exists() and path.stat().st_mtime_ns != before,  # type: ignore[misc]
                    "it has written",
                )
                time.sleep(chance.random() * 0.02)
            finally:
                os.kill(writer, signal.SIGKILL)
            assert writers.stdout.readline()
            found = json.loads(path.read_bytes())
            assert found["rest"] == "x" * (found["number"] % 7 * 30_000)
            newest = max(newest, found["number"])
        writers.stdin.close()
    assert newest > 1
    assert not list(tmp_path.glob("*.unreadable-*"))


def test_a_durable_file_is_synced_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    atomic_files.write(tmp_path / "a", b"1", durable=False)
    assert synced == []
    atomic_files.write(tmp_path / "a", b"2")
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/\.a-[0-9a-f]{{16}}", synced[0])
    assert synced[1:] == [str(tmp_path)]


def test_full_disk_raises_a_readable_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic_files.write(path, b"old")
    full = Path("/dev/full")
    with pytest.raises(OSError, match="No space") as caught, full.open("wb", buffering=0) as file:
        file.write(b"x")
    assert is_full(caught.value)
    assert is_full(DiskFull())
    assert not is_full(OSError(13, "Permission denied"))
    assert str(DiskFull()) == SENTENCE
    assert path.read_bytes() == b"old"
    assert free_bytes(tmp_path / "not" / "there") == free_bytes(tmp_path)


def test_state_files_are_written_by_the_atomic_writers_only() -> None:
    """Exceptions have a reason, given in docs/state.md."""
    writes = re.compile(
        r"\.write_(text|bytes)\(|\.open\(\"[wax]|O_(WRONLY|RDWR)"
        r"|confined\.CREATE|\bopen\([^)]*\"[wax]b?\""
    )
    known = {
        "lib/files/atomic_files.py",
        "lib/files/file_locks.py",  # locked; it has no content
        "lib/files/state_dir.py",  # made once, and never replaced
        "runs/model/actors.py",  # appended: whole lines or nothing
        "runs/events/journal.py",  # appended under a lock: whole lines or nothing
        "runs/model/run_folder.py",  # appended: whole lines or nothing
        "runs/policies/viewer_presence.py",  # locked and touched; it has no content
        "runs/processes/claude_process.py",  # Claude's own
        "runs/policies/disk_guard.py",  # the reserve has no content
        "engines/claude/files/titles.py",  # appended to Claude's history: whole lines or nothing
        "engines/claude/files/fork.py",  # a new file, which gets its name when it is whole
        "features/claude_account/logins.py",  # a lock without content, and a code that is read once
        "features/claude_mcp/sign_ins.py",  # the same
        "lib/tree/copying.py",  # copies of a project's files, each a new file
        "lib/tree/writing.py",  # a project's files: atomic, by descriptors of their folders
        "lib/git/discards/working_files.py",  # a project's files, which get their names when whole
        "lib/git/clones/transfer.py",  # a repository for one fetch, which is removed afterwards
        "lib/git/worktrees.py",  # git's own list of what to ignore: one line is appended
        "sessions/worktrees/carrying.py",  # a person's files, into a new worktree
        "sessions/worktrees/setup_command.py",  # what a command prints, as it prints it
        "lib/git/snapshots/places.py",  # files of a project, which get their names when whole
        "lib/git/snapshots/plan.py",  # rules in a temporary folder
        "lib/git/snapshots/tree.py",  # a private git directory, which is made anew when incomplete
        "web/auth/pairing.py",  # created exclusively, which is what makes a code work once
        "web/auth/rate_limit.py",  # a table of counters, changed in place under a lock
        "app/commands/files.py",  # a new file of the person's
        "app/standard_streams.py",  # /dev/null
        "config/state_use.py",  # locked; it has no content
        "features/backups/service.py",  # a lock, and what the command prints, as it prints it
        "lib/backup/unpack.py",  # new files in a new folder
        "lib/files/confined.py",  # flags and descriptors; its callers write
        "lib/logs/log_files.py",  # appended: whole lines or nothing
        "lib/metrics/worker_file.py",  # counters, changed in place; a checksum finds damage
        "lib/pty/host.py",  # named pipes, and a log
        "lib/pty/segments.py",  # appended: records with their lengths
        "sessions/terminals/pipes.py",  # named pipes
        "engines/claude/demo/lease.py",
        "engines/claude/demo/record.py",
        "engines/claude/demo/sample.py",  # the demo is made anew at each start
        "engines/claude/demo/service.py",  # a log
    }
    package = ROOT / "opcode_htmx"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if writes.search(path.read_text(encoding="utf-8"))
    }
    assert found <= known


def test_slow_disk_blocks_no_other_greenlet(tmp_path: Path) -> None:
    with disk_that_waits(tmp_path) as go_on:
        writer = gevent.spawn(atomic_files.write, tmp_path / "a", b"1")
        until(lambda: list(tmp_path.iterdir()), "it waits for the disk")
        assert not (tmp_path / "a").exists()
        go_on.set()
        writer.get()
    assert (tmp_path / "a").read_bytes() == b"1"


def test_killed_writer_leaves_no_temporary_file(
    tmp_path: Path,
) -> None:
    with disk_that_waits(tmp_path) as go_on:
        writer = gevent.spawn(atomic_files.write, tmp_path / "a", b"1")
        until(lambda: list(tmp_path.iterdir()), "it waits for the disk")
        writer.kill()
        assert not list(tmp_path.iterdir())
        go_on.set()
