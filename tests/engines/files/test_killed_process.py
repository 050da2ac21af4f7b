"""What a killed process has left is removed, and its history file gets its time back."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history, process_registry

NOBODY = 4_000_000
"""A pid beyond those that Linux gives by default."""
DAY = 86400


def entry(config_dir: Path, pid: int, session_id: str, socket_path: Path) -> None:
    folder = config_dir / "sessions"
    folder.mkdir(exist_ok=True)
    content = {"pid": pid, "sessionId": session_id, "messagingSocketPath": str(socket_path)}
    (folder / f"{pid}.json").write_text(json.dumps(content))
    (folder / f"{pid}.0f.key").touch()


def listen(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def test_entry_key_and_socket_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    entry(tmp_path, NOBODY, "s", listen(tmp_path / f"{NOBODY}.sock"))
    process_registry.remove(tmp_path, NOBODY, "s")
    assert [path.name for path in tmp_path.rglob("*")] == ["sessions"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    other = tmp_path / "other.sock"
    entry(tmp_path, os.getpid(), "s", listen(tmp_path / f"{os.getpid()}.sock"))
    entry(tmp_path, NOBODY, "another session", other)
    before = sorted(tmp_path.rglob("*"))
    for pid in (os.getpid(), NOBODY, NOBODY + 1):
        process_registry.remove(tmp_path, pid, "s")
    assert sorted(tmp_path.rglob("*")) == before
    entry(tmp_path, NOBODY, "s", listen(other))
    process_registry.remove(tmp_path, NOBODY, "s")
    assert other.exists()


@pytest.mark.parametrize(
    ("size", "age", "is_restored"), [(3, DAY, True), (2, DAY, False), (3, 8 * DAY, False)]
)
def test_time_of_a_history_file_is_restored_where_nothing_was_written(
    tmp_path: Path, size: int, age: int, is_restored: bool
) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"{}\n")
    now, before = file.stat().st_mtime_ns, (int(time.time()) - age) * 10**9
    history.restore_time(file, size, before)
    assert file.stat().st_mtime_ns == (before if is_restored else now)
