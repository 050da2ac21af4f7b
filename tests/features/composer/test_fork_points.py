"""Where the file of a session is cut for a fork at one of its blocks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files import fork, history
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.options.profiles import Profile
from tests.support.apps.in_process import app_of
from tests.support.clients import api as records
from tests.support.environment import PASSWORD, USER, Sandbox

pytestmark = pytest.mark.timeout(180)


class Noted:
    """A history file, line by line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{uuid.uuid4()}.jsonl"
        self.ends: list[int] = []

    def add(self, kind: str, *parts: Mapping[str, Any], **fields: object) -> Noted:
        number = len(self.ends)
        message = {"content": parts, "id": f"m{number}"}
        entry = {"type": kind, "uuid": f"u{number}", "message": message, **fields}
        with self.path.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            self.ends.append(file.tell())
        return self

    def call(self, tool: str, message_id: str = "m") -> Noted:
        message = {"id": message_id, "content": [{"type": "tool_use", "id": tool}]}
        return self.add("assistant", message=message)

    def result(self, tool: str) -> Noted:
        return self.add("user", {"type": "tool_result", "tool_use_id": tool})

    def behind(self, number: int) -> int:
        """The number of the line behind which it is cut, for the block in this line."""
        return self.ends.index(fork.end_behind(self.path, self.ends[number]))

    def before(self, number: int) -> int | None:
        end = fork.end_before(self.path, self.ends[number])
        return self.ends.index(end) if end else None


def test_fork_point_follows_the_results_of_parallel_calls(tmp_path: Path) -> None:
    noted = Noted(tmp_path).call("a").call("b").result("a").result("b").add("assistant")
    assert noted.behind(2) == 3
    assert noted.behind(3) == 3
    assert noted.behind(4) == 4


def test_later_calls_are_after_the_fork_point(tmp_path: Path) -> None:
    noted = Noted(tmp_path).call("a").result("a").call("b").result("b")
    assert noted.behind(0) == 1
    assert noted.behind(1) == 1
    assert noted.behind(3) == 3


def test_fork_point_does_not_need_missing_results(tmp_path: Path) -> None:
    """Claude was killed while a tool ran; another process went on."""
    noted = Noted(tmp_path).call("a").call("b").result("a").add("user").add("assistant")
    assert noted.behind(2) == 2
    assert noted.behind(3) == 3
    assert noted.behind(4) == 4
    assert noted.before(3) == 2
    noted = Noted(tmp_path).call("a").call("b", "m2").result("b")
    assert noted.behind(2) == 2


def test_fork_before_a_command_omits_its_announcement(
    tmp_path: Path,
) -> None:
    noted = Noted(tmp_path).add("assistant").add("user", isMeta=True).add("user")
    assert noted.before(2) == 0


def test_cli_notes_before_the_first_prompt_are_no_conversation(
    tmp_path: Path,
) -> None:
    noted = Noted(tmp_path).add("attachment").add("user", isMeta=True).add("user").add("user")
    assert noted.before(2) is None
    assert noted.before(3) == 2


def test_there_is_no_cut_where_claude_waits_for_a_tool(tmp_path: Path) -> None:
    noted = Noted(tmp_path).call("a").call("b").result("a")
    with pytest.raises(fork.InMidWork):
        noted.behind(2)


def test_no_fork_is_left_without_the_limits_of_its_session(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, folder = str(uuid.uuid4()), sandbox.project
    said = {**json.loads(records.prompt("plum", folder)), "uuid": "a", "parentUuid": None}
    records.session(sandbox.config_dir, folder, json.dumps(said) + "\n", session_id)
    files = sandbox.config_dir / "projects"
    project = history.project_id(folder)
    address = f"/projects/{project}/sessions/{session_id}/fork"
    with app_of(sandbox, stand_in) as app:
        profiles = app.extensions["opcode_context"].runs.options.profiles
        profiles.set(session_id, Profile({True: "{}", False: "{}"}, label="Pruner"))
        client = app.test_client(use_cookies=False)
        with monkeypatch.context() as patch:
            patch.setattr(type(profiles), "copy", _no_space)
            assert client.post(address, auth=(USER, PASSWORD)).status_code == 507
        assert [path.stem for path in files.rglob("*.jsonl")] == [session_id]
        assert client.post(address, auth=(USER, PASSWORD)).status_code == 303
        new = {path.stem for path in files.rglob("*.jsonl")} - {session_id}
        assert [profiles.label(each)[0] for each in new] == ["Pruner"]


def _no_space(*_: object) -> None:
    raise DiskFull
