"""A session is deleted and brought back, or cleared."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.features.session_admin.whole_session.transcript import transcript
from tests.support.cli.sessions import OpenSession, Session
from tests.support.clients import api
from tests.support.environment import Sandbox, runs_of, until
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


StartServer = Callable[..., Server]


def test_a_session_whose_claude_waits_is_not_deleted_and_says_what_to_do(looked: Session) -> None:
    refused = looked.post("delete")
    assert refused.status_code == 409
    assert "Claude waits in this session for a prompt. End Claude first." in refused.text
    assert "needle-in-output" in looked.page()


def test_deleting_takes_everything_away_and_undo_brings_it_back(server: Server) -> None:
    session = Session(server, "keep me")
    session.stop()
    beside = session.file.with_suffix("") / "subagents" / "agent.jsonl"
    beside.parent.mkdir(parents=True)
    beside.write_text("{}\n")
    session.post("draft", prompt="half a thought")
    file, before, page = session.file, session.file.read_bytes(), session.page()
    answer = session.post("delete")
    assert answer.status_code == 303
    assert not (server.sandbox.state / "drafts" / session.id).exists()
    assert not (server.sandbox.state / "attached" / session.id).exists()
    assert session.server.get(session.address).status_code == 404
    assert not file.exists()
    assert not beside.exists()
    assert runs_of(server.sandbox.state, session.id) == []
    follows = server.get(answer.headers["Location"]).text
    assert "Deleted “keep me”" in follows
    undo = re.search(r'action="(/trash/[0-9a-f]{32}/restore)"', follows)
    assert undo
    back = server.post(undo[1], {})
    assert back.headers["Location"].partition("#")[0] == session.address
    assert file.read_bytes() == before
    assert beside.read_text() == "{}\n"
    assert transcript(session.page()) == transcript(page)
    assert "half a thought" in session.page()
    assert server.post(undo[1], {}).status_code == 404, "once"


def test_the_trash_is_emptied_after_some_days(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    file = api.session(sandbox.config_dir, sandbox.project, api.prompt("old", sandbox.project))
    server = start_server(sandbox, stand_in)
    deleted = server.post(f"/projects/{file.parent.name}/sessions/{file.stem}/delete", {})
    assert deleted.status_code == 303
    (folder,) = (sandbox.state / "trash").iterdir()
    record = json.loads((folder / "trash.json").read_text())
    (folder / "trash.json").write_text(json.dumps({**record, "at": record["at"] - 8 * 86400}))
    server.stop()
    server.start()
    until(lambda: not list((sandbox.state / "trash").iterdir()), "the trash is emptied")


def after_clear(session: Session) -> OpenSession:
    """The session that its page leads to."""
    way = r'href="(/projects/[^"]+/sessions/[0-9a-f-]{36})#end">a session'
    link = re.search(way, session.page())
    assert link
    return OpenSession(session.server, link[1])


def said(session: OpenSession) -> list[str]:
    """The texts of the user and of Claude on the page."""
    text = r'<div class="(?:prompt-text|part md)"[^>]*>(?:<p[^>]*>)?(.*?)(?:</p>\s*)?</div>'
    return re.findall(text, session.page(), re.DOTALL)


def test_clear_starts_a_new_session_with_a_link_to_it_which_claude_resumes(
    server: Server, shared_api: MessagesApi
) -> None:
    session = Session(server, "first words", "/clear", "after it")
    new = after_clear(session)
    assert new.id != session.id
    answer = "Yes, <strong>indeed</strong>."
    expected = ["/clear", "after it", answer]
    until(lambda: said(new) == expected, "Claude has noted it")

    # a prompt there reaches the process that is in this session, and begins no other
    form = {"prompt": "still there?", "prompt_id": str(uuid.uuid4())}
    assert new.post("prompt", **form).status_code == 303
    assert new.post("prompt", **form).status_code == 303, "twice is once"
    expected += ["still there?", answer]
    until(lambda: said(new) == expected, "it is answered")
    assert said(session)[-2:] == expected[-2:]
    assert len(runs_of(server.sandbox.state, session.id)) == 1
    assert runs_of(server.sandbox.state, new.id) == []
    assert new.post("delete").status_code == 409

    session.stop()
    assert said(new) == expected
    server.stop()
    server.start()
    assert said(new) == expected
    new.prompt("and now?")
    assert said(new) == [*expected, "and now?", answer]
    assert "and now?" not in session.page()
    asked = [json.dumps(request["messages"]) for request in shared_api.requests]
    (words,) = [each for each in asked if "and now?" in each]
    assert "after it" in words
    assert "first words" not in words
