"""Back to before a prompt, with the real CLI: the files, the conversation, both, and the undo.

By thumb: see tests/features/test_whole_way.py.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from tests.features.checkpoints.rewinding import AFTER, GATE, Rewinding, repository
from tests.support.clients import api as rest
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server


def _write(request: Request) -> tuple[Text | ToolUse, ...]:
    """A prompt `write NAME WORDS in FOLDER` is answered by a file."""
    _, name, words, _, folder = request.prompt.split()[:5]
    written = {"file_path": f"{folder}/{name}", "content": f"{words}\n"}
    return Text("I write it down now.", gate=GATE), ToolUse("Write", written)


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    writes = Scene("write", "write ", [_write, Text("It is written.", gate=AFTER)])
    with MessagesApi([writes, Scene("any", lambda _: True, [Text("An answer.")])]) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_PERMISSION_MODE": "acceptEdits", "OPCODE_IDLE_TIMEOUT": "30m"}


@pytest.fixture
def home(shared_home: Sandbox) -> Sandbox:
    return shared_home.with_own_project()


def test_files_and_conversation_go_back_by_the_checkpoint_and_the_files_come_again(
    shared_real_server: Server, home: Sandbox, shared_api: MessagesApi
) -> None:
    folder = repository(home.project)
    session = Rewinding(
        shared_real_server, folder, f"write a.txt one in {folder}", checkpoints=True
    )
    (folder / "own.txt").write_text("mine, edited after the turn\r\n")
    second = session.more(f"write a.txt two in {folder}")
    (folder / "later.txt").write_text("after all turns")
    kinds = [each["kind"] for each in session.checkpoints]
    assert kinds == ["prompt", "turn", "prompt", "turn"]
    index = (folder / ".git" / "index").read_bytes()

    page = session.rewind_page(second)
    assert "2 files would change" in page
    assert "1 file of these was" in page, "the one after Claude’s turn"
    session.rewind(second, "both")
    assert (folder / "a.txt").read_text() == "one\n"
    assert not (folder / "later.txt").exists()
    assert (folder / "own.txt").read_bytes() == b"mine, edited after the turn\r\n"
    assert (folder / ".git" / "index").read_bytes() == index
    assert session.draft == f"write a.txt two in {folder}"
    until(lambda: "Taken back" in session.page(), "the page folds what was cut")

    session.turns = session.page().count("tokens in,")
    session.prompt("and now?")
    said = [str(body["messages"]) for body in shared_api.requests if body.get("tools")][-1]
    assert "two in" not in said
    assert "one in" in said

    assert session.post("checkpoints/undo").status_code == 303
    assert (folder / "a.txt").read_text() == "two\n"
    assert (folder / "later.txt").read_text() == "after all turns"

    first = str(session.checkpoints[0]["prompt_id"])
    answer = requests.post(
        f"{shared_real_server.url}/api/sessions/{session.id}/rewind",
        json={"prompt_id": first, "what": "both"},
        auth=(USER, PASSWORD),
        timeout=60,
    )
    assert rest.data(answer)["prompt"] == f"write a.txt one in {folder}"
    assert not (folder / "a.txt").exists()


def test_without_a_checkpoint_claude_takes_back_what_it_wrote_also_when_it_has_ended(
    shared_real_server: Server, home: Sandbox
) -> None:
    folder = home.project
    (folder / "mine.txt").write_text("a person's")
    session = Rewinding(
        shared_real_server, folder, f"write a.txt one in {folder}", checkpoints=False
    )
    second = session.more(f"write a.txt two in {folder}")
    assert session.checkpoints == []
    gone = session.get("rewind?prompt=nothing")
    assert gone.status_code == 409
    assert "not part of the conversation any more" in gone.text
    session.stop()
    page = session.rewind_page(second)
    assert "See what would change" in page
    assert 'value="both"' not in page
    assert session.post("rewind", prompt=second, what="files").status_code == 422
    time_before = time.time()
    (folder / "a.txt").write_text("two, and a person's\n")
    assert session.post("rewind/look", prompt=second).status_code == 303
    page = session.rewind_page(second)
    assert "take back 1 file" in page
    assert "changed after Claude’s last word" in page
    session.rewind(second, "files")
    assert (folder / "a.txt").read_text() == "one\n"
    assert (folder / "mine.txt").read_text() == "a person's"
    assert "write a.txt two" in session.page()
    assert session.post("checkpoints/undo").status_code == 303
    assert (folder / "a.txt").read_text() == "two, and a person's\n"

    session.rewind(second, "conversation")
    assert session.draft == f"write a.txt two in {folder}"
    assert (folder / "a.txt").read_text() == "two, and a person's\n"
    until(lambda: "Taken back" in session.page(), "the page folds what was cut")
    assert time.time() - time_before < 60


@pytest.fixture(scope="module")
def garden(shared_home: Sandbox) -> Path:
    return repository(shared_home.with_own_project().project)


@pytest.fixture(scope="module")
def going_on(shared_real_server: Server, garden: Path) -> Rewinding:
    """A session with checkpoints for one test after the other."""
    prompt = f"write a.txt one in {garden}"
    return Rewinding(shared_real_server, garden, prompt, checkpoints=True)


def test_while_claude_works_nothing_goes_back(going_on: Rewinding, garden: Path) -> None:
    session, folder, before = going_on, garden, len(going_on.checkpoints)
    written = (folder / "a.txt").read_text()
    prompt_id = str(session.checkpoints[0]["prompt_id"])
    GATE.clear()
    try:
        ids = {"prompt": f"write a.txt two in {folder}", "prompt_id": str(uuid.uuid4())}
        assert session.post("prompt", **ids).status_code == 303
        session.settled(before + 1)
        assert "Claude is at work" in session.rewind_page(prompt_id)
        digest = rest.get(session.server, f"/api/sessions/{session.id}/checkpoints/1/diff")
        for what, means in (("files", "checkpoint"), ("files", "claude"), ("conversation", "")):
            fields = {"prompt": prompt_id, "what": what, "means": means}
            answer = session.post("rewind", **fields, digest=digest["digest"])
            assert answer.status_code == 409
            assert "at work" in answer.text
        assert (folder / "a.txt").read_text() == written
    finally:
        GATE.set()
    session.answered()


def test_after_each_tool_that_writes_there_is_a_checkpoint_where_a_person_wants_that(
    going_on: Rewinding, garden: Path
) -> None:
    session, folder = going_on, garden
    assert session.post("checkpoints/when", strategy="writes").status_code == 303
    AFTER.clear()
    GATE.clear()
    try:
        ids = {"prompt": f"write a.txt more in {folder}", "prompt_id": str(uuid.uuid4())}
        assert session.post("prompt", **ids).status_code == 303

        def is_saved() -> bool:
            return ids["prompt"] in [each["prompt"] for each in session.checkpoints]

        until(is_saved, "the checkpoint before the prompt is complete")
        GATE.set()

        def tools() -> list[object]:
            return [each["tool"] for each in session.checkpoints if each["kind"] == "tool"]

        until(lambda: tools() == ["Write"], "the write has a checkpoint")
    finally:
        GATE.set()
        AFTER.set()
    session.answered()
