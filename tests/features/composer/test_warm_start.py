"""The real CLI is started when a prompt is written, and leaves nothing where none is sent."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from tests.support.cli.sessions import Session
from tests.support.environment import Sandbox, processes_of, until
from tests.support.server import Server

READY = "Claude is ready"


@pytest.fixture(scope="module")
def server(
    integration: None, tmp_path_factory: pytest.TempPathFactory, claude: Path
) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("warm") / "home").make()
    settings = {"OPCODE_WARM_START": "1", "OPCODE_ASK_AHEAD": "0"}
    scene = Scene("any", "", [lambda request: Text(f"You said: {request.prompt}")])
    with MessagesApi([scene]) as api:
        server = Server(sandbox, claude, api.url, **settings)
        try:
            yield server.start()
        finally:
            server.close()


@pytest.fixture(scope="module")
def session(server: Server) -> Session:
    """A session whose process has ended."""
    session = Session(server, "the first prompt")
    session.stop()
    until(lambda: not processes_of(server.sandbox.state), "Claude has ended")
    journal = server.sandbox.state / "events"
    until(
        lambda: any(b"run_ended" in each.read_bytes() for each in journal.iterdir()), "it is over"
    )
    return session


@contextlib.contextmanager
def page_of(session: Session) -> Iterator[None]:
    """The session's page is open."""
    cookies = session.server.get(session.address).cookies
    page = websocket.create_connection(
        f"{session.server.url.replace('http', 'ws')}{session.address}/live",
        origin=session.server.url,
        cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies),
        timeout=20,
    )
    try:
        page.recv()  # now the server knows that somebody looks
        yield
    finally:
        page.close()


def write(session: Session, text: str) -> str:
    """Type a text on the page; the id of its form."""
    form = str(uuid.uuid4())
    assert session.post("draft", prompt=text, prompt_id=form, by="page").status_code == 204
    return form


def pid(session: Session) -> int:
    """That of Claude, which may have started a git for a moment."""
    records = (session.sandbox.state / "runs").glob("*/run.json")
    [live] = [run["pid"] for run in map(_content, records) if run["end"] is None]
    return int(live)


def _content(record: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record.read_bytes())
    return found


def let_hours_pass(session: Session) -> None:
    """Nobody has written for as long, as far as the run without a prompt knows."""
    [mark] = (session.sandbox.state / "runs").glob("*/warm")
    os.utime(mark, (0, 0))


def files(session: Session) -> dict[str, object]:
    """All that Claude and we keep of sessions, with sizes and times; contents that are ours."""
    claude, ours = session.sandbox.config_dir, session.sandbox.state
    found: dict[str, object] = {}
    for path in [*_below(claude / "projects"), *_below(claude / "sessions")]:
        found[str(path)] = _facts(path, lambda path: (path.stat().st_size, path.stat().st_mtime_ns))
    for path in _below(ours / "runs"):
        found[str(path)] = _facts(path, lambda path: path.stat().st_size)
    for path in (ours / "events").rglob("*.ndjson"):
        found[str(path)] = _facts(path, Path.read_bytes)
    return found


def _below(folder: Path) -> list[Path]:
    """All files and folders, without those that are removed meanwhile."""
    return [
        Path(parent, name)
        for parent, folders, names in os.walk(folder)
        for name in (*folders, *names)
    ]


def _facts(path: Path, read: Callable[[Path], object]) -> object:
    """What `read` finds; None if the file was removed after it was listed."""
    with contextlib.suppress(FileNotFoundError):
        return read(path)
    return None


def lists(session: Session) -> str:
    """What the pages and the API list of sessions."""
    project = session.address.rpartition("/sessions/")[0]
    running = session.server.get("/api/sessions/running").json()
    home = session.server.get(project).text
    return json.dumps([running, session.id in session.server.get("/runs").text, "running" in home])


def test_prompt_that_is_never_sent_leaves_no_trace(session: Session) -> None:
    before, listed, page = files(session), lists(session), session.page()
    with page_of(session):
        write(session, "I shall not send this")
        until(lambda: READY in session.page(), "Claude is started")
        assert lists(session) == listed
        assert "open in another program" not in session.page()
        let_hours_pass(session)
        until(lambda: not processes_of(session.sandbox.state), "it ends by itself")
        until(lambda: "Stopped by you." in session.page(), "the page shows the end before")
    with contextlib.suppress(AssertionError):
        until(lambda: files(session) == before, "nothing is left")
    assert files(session) == before
    assert session.page().count("block-text") == page.count("block-text")


def test_prompt_is_answered_by_the_process_that_was_started_for_it(session: Session) -> None:
    with page_of(session):
        form = write(session, "the second")
        write(session, "the second prompt")
        until(lambda: READY in session.page(), "Claude is started")
        warm = pid(session)
        sent = session.post("prompt", prompt="the second prompt", prompt_id=form)
        assert sent.status_code == 303
        session.answered()
        assert pid(session) == warm
        assert session.page().count("You said: the second prompt") == 1
        assert READY not in session.page()
        assert session.id in json.dumps(session.server.get("/api/sessions/running").json())
        write(session, "the third prompt")
        assert pid(session) == warm
    session.stop()
    assert session.page().count("You said: the second prompt") == 1
