"""Claude's capabilities are cached, offered on pages, and never waited for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.capabilities import cache
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.capabilities.probe import ProbeFailed
from tests.runs.capabilities.probing import with_programs
from tests.support.cli.supervision import CODEC, new_id, until
from tests.support.environment import PATIENCE, Sandbox
from tests.support.environment import until as wait_until
from tests.support.pages import dom
from tests.support.server import Server

ANSWER: Json = {"models": [{"value": "opus"}], "commands": [{"name": "prune"}], "account": "me"}

# --- Keeping --------------------------------------------------------------------------------


class Asked:
    """Answers at once, or when it may, and remembers where it was asked."""

    def __init__(self) -> None:
        self.places: list[Path] = []
        self.fails = False

    def __call__(self, place: Path) -> Json:
        self.places.append(place)
        gevent.sleep(0.01)
        if self.fails:
            raise ProbeFailed("it was not in the mood")
        return ANSWER


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def make(tmp_path: Path, asked: Asked) -> Iterator[Callable[..., CapabilityCache]]:
    made = []

    def make_(said_by: str = "2.1.330") -> CapabilityCache:
        made.append(CapabilityCache(tmp_path / "offers", asked, said_by, CODEC))
        return made[-1]

    yield make_
    for each in made:
        each.close()


def test_capabilities_are_probed_once_and_survive_a_restart(
    make: Callable[..., CapabilityCache], asked: Asked, tmp_path: Path
) -> None:
    first, called = make(), []
    assert first.known is None
    for number in range(3):
        first.want(lambda number=number: called.append(number))  # type: ignore[misc]
    assert asked.places == []  # the caller did not wait
    assert first.wait(PATIENCE) == first.known
    until(lambda: called == [0, 1, 2], "every callback is called")
    later = make()
    later.want()
    known = later.known
    assert known
    assert [model.value for model in (*known.models, *first.models)] == ["opus", "opus"]
    assert [command.name for command in known.commands] == ["prune"]
    gevent.sleep(0.05)
    assert len(asked.places) == 1
    (file,) = (tmp_path / "offers").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "account" not in json.loads(file.read_text())


def test_new_version_or_old_capabilities_are_probed_again(
    make: Callable[..., CapabilityCache], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said_by in ("1", "2"):
        each = make(said_by)
        each.want()
        each.wait(PATIENCE)
    assert len(asked.places) == 2
    monkeypatch.setattr(cache, "FRESH_SECONDS", 0.0)
    each.want()
    assert each.known  # the old one is good enough meanwhile
    until(lambda: len(asked.places) == 3, "it is asked again")


def test_capability_probe_runs_in_an_empty_folder_only(
    make: Callable[..., CapabilityCache], asked: Asked, tmp_path: Path
) -> None:
    each = make()
    each.want()
    assert each.wait(PATIENCE)
    folder = tmp_path / "offers" / cache.FOLDER
    assert asked.places == [folder]
    assert list(folder.iterdir()) == []


def test_failed_probe_is_logged_once_and_not_retried_at_once(
    make: Callable[..., CapabilityCache], asked: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    each, asked.fails = make(), True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            each.want()
            assert each.wait(PATIENCE) is None
    assert len(asked.places) == 1
    assert caplog.text.count("it was not in the mood") == 1
    each._retry_at = 0.0  # the time has passed
    asked.fails = False
    each.want()
    assert each.wait(PATIENCE)


def test_unreadable_capability_file_is_probed_again(
    make: Callable[..., CapabilityCache], tmp_path: Path
) -> None:
    make().want()
    until(lambda: list((tmp_path / "offers").glob("*.json")), "it is kept")
    (file,) = (tmp_path / "offers").glob("*.json")
    for content in ("", "[]", "{}", '{"at": "x"}', "[" * 100_000):
        file.write_text(content)
        each = make()
        assert each.known is None
    each.want()
    assert each.wait(PATIENCE)


def test_disabled_capability_probe_never_runs(tmp_path: Path) -> None:
    each = CapabilityCache(tmp_path / "offers", None, "1", CODEC)
    each.want()
    assert each.wait(PATIENCE) is None
    assert not each.asks


# --- For a page -----------------------------------------------------------------------------


def listed(server: Server, path: str, **query: str) -> list[str]:
    answer = server.get(f"{path}/complete", params=query)
    assert answer.status_code == 200
    return [
        (node.attributes["data-insert"] or "").strip()
        for node in dom.parse(answer.text).walk()
        if node.attributes.get("role") == "option"
    ]


def from_a_terminal(sandbox: Sandbox) -> str:
    """A session that was never prompted from here; the address of its page."""
    session, project_id = new_id(), history.project_id(sandbox.project)
    entry: dict[str, Any] = {
        "type": "user",
        "uuid": new_id(),
        "sessionId": session,
        "cwd": str(sandbox.project),
        "timestamp": "2026-01-02T03:04:05.000Z",
        "message": {"role": "user", "content": "hello"},
    }
    folder = sandbox.config_dir / "projects" / project_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{session}.jsonl").write_text(json.dumps(entry) + "\n")
    return f"/projects/{project_id}/sessions/{session}"


def test_new_session_offers_models_and_commands_before_its_first_run(
    sandbox: Sandbox, claude: Path, api: MessagesApi, start_server: Callable[..., Server]
) -> None:
    traces = with_programs(sandbox)
    server = start_server(sandbox, claude, api.url, OPCODE_ASK_AHEAD="1")
    assert 'value="haiku"' not in server.get("/new").text
    folder = str(sandbox.project)
    assert 'value="haiku"' in server.get("/new/options", params={"folder": folder}).text
    assert 'value="haiku"' in server.get("/new").text
    assert listed(server, "/new", q="/compac", folder=folder) == ["/compact", "/autocompact"]
    assert listed(server, "/new", q="/prune", folder=folder) == ["/prune"]  # from its file
    assert list((sandbox.config_dir / "projects").glob("*/*.jsonl")) == []
    assert (list(api.requests), list(traces.iterdir())) == ([], [])


def test_session_without_a_run_offers_models_and_commands_and_starts_nothing(
    sandbox: Sandbox, claude: Path, api: MessagesApi, start_server: Callable[..., Server]
) -> None:
    traces = with_programs(sandbox)
    path = from_a_terminal(sandbox)
    server = start_server(sandbox, claude, api.url, OPCODE_ASK_AHEAD="1")
    server.get(path)
    wait_until(lambda: 'value="haiku"' in server.get(path).text, "the page has the models")
    assert listed(server, path, q="/compac") == ["/compact", "/autocompact"]
    assert (list(api.requests), list(traces.iterdir())) == ([], [])


def test_page_without_a_probe_says_when_models_become_known(
    sandbox: Sandbox, claude: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, claude, OPCODE_ASK_AHEAD="0")
    assert "Claude names its models once it has run" in server.get("/new").text
    assert server.get("/new/options", params={"folder": str(sandbox.project)}).status_code == 204
    assert listed(server, "/new", q="/compac", folder=str(sandbox.project)) == []
    assert not (sandbox.state / "offers").exists()
