"""State files are private to their owner, whatever the umask."""

from __future__ import annotations

import os
import shlex
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.state_dir import make_private
from tests.support.cli.sessions import Session
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server


class PermissiveServer(Server):
    app = "tests.support.apps.permissive:app()"


@pytest.fixture
def made(sandbox: Sandbox) -> Path:
    return sandbox.project / "made-by-claude"


@pytest.fixture
def server(sandbox: Sandbox, claude: Path, made: Path) -> Iterator[Server]:
    touch = ToolUse("Bash", {"command": f"touch {shlex.quote(str(made))}", "description": "Do it"})
    scenes = (
        Scene("make", "make the file", [touch, Text("It is made.")]),
        Scene("anything", "", [Text("Yes.")]),
    )
    with MessagesApi(scenes) as api:
        mode = {"OPCODE_PERMISSION_MODE": "acceptEdits", "OPCODE_ASK_AHEAD": "1"}
        server = PermissiveServer(sandbox, claude, api.url, **mode)
        try:
            yield server.start()
        finally:
            server.close()


def open_to_others(state: Path) -> list[str]:
    """Paths of the state folder with access for others, except Claude's own files."""
    found = []
    for folder, names, files in os.walk(state):
        for name in (*names, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
            if stat.S_IMODE(mode) != wanted:
                found.append(f"{stat.S_IMODE(mode):04o} {path.relative_to(state)}")
    return found


def busy_session(server: Server) -> Session:
    """A session that leaves every kind of state file."""
    server.get(f"/new?folder={server.sandbox.project}")
    session = Session(server, "make the file")
    requests.post(
        f"{server.url}{session.address}/prompt",
        data={"prompt": "read it", "prompt_id": str(uuid.uuid4())},
        files=[("files", ("notes.txt", b"notes", "text/plain"))],
        auth=(USER, PASSWORD),
        timeout=20,
    )
    session.answered()
    session.post("options", model="haiku", was_model="", prompt_id=str(uuid.uuid4()))
    requests.post(
        f"{server.url}{session.address}/attachments",
        files=[("files", ("more.txt", b"more", "text/plain"))],
        auth=(USER, PASSWORD),
        timeout=20,
    )
    session.post("draft", prompt="words", prompt_id=str(uuid.uuid4()))
    requests.post(
        f"{server.url}/api/claude/sessions", json={"title": "t"}, auth=(USER, PASSWORD), timeout=20
    )
    return session


def test_a_busy_session_leaves_nothing_in_the_state_folder_that_others_may_read(
    server: Server, sandbox: Sandbox, made: Path
) -> None:
    session = busy_session(server)
    kinds = {"attached", "chats", "drafts", "offers", "options", "runs"}
    until(lambda: not kinds - {each.name for each in sandbox.state.iterdir()}, "all is there")
    assert stat.S_IMODE(sandbox.state.stat().st_mode) == 0o700
    assert open_to_others(sandbox.state) == []
    assert stat.S_IMODE(made.stat().st_mode) == 0o666, "Claude keeps the person's own umask"
    session.stop()
    assert session.post("delete").status_code == 303
    assert list((sandbox.state / "trash").iterdir())
    assert open_to_others(sandbox.state) == []


def test_a_folder_that_was_left_open_is_closed_at_the_start(tmp_path: Path) -> None:
    inner = tmp_path / "attached" / "session"
    inner.mkdir(parents=True)
    (tmp_path / "attached").chmod(0o755)
    (tmp_path / "marks.json").touch()
    (tmp_path / "marks.json").chmod(0o644)
    outside = tmp_path.with_name("outside")
    outside.mkdir()
    outside.chmod(0o755)
    (tmp_path / "link").symlink_to(outside)
    make_private(tmp_path)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == {"attached": 0o700, "marks.json": 0o600, "link": 0o755}


def test_the_folders_above_a_new_one_are_private_as_well(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        atomic_files.make_folder(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    for path in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o700
