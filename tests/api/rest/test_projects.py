"""Projects, sessions and histories over the API, from Claude's own files."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.files import history
from tests.support.clients import api
from tests.support.clients.api import (
    NOON,
    error,
    get,
    line,
    prompt,
    session,
    stamp,
)
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server

FOLDER = "/home/me/shop"
PROJECT = "-home-me-shop"
ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def server(shared_server: Server) -> Server:
    """With nothing in Claude's folder."""
    shared_server.sandbox.empty_config()
    return shared_server


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    return server.sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Path:
    return sandbox.config_dir


# Projects and sessions


def test_projects_come_newest_first_with_the_documented_fields(
    server: Server, config: Path
) -> None:
    session(config, FOLDER, prompt("a", FOLDER, NOON), ONE)
    session(config, FOLDER, prompt("b", FOLDER, NOON + 50), TWO)
    session(config, "/srv/infra", prompt("c", "/srv/infra", NOON + 90.7), ONE)
    newest, older = get(server, "/api/projects")
    assert newest["id"] == "-srv-infra"
    assert older == {
        "id": PROJECT,
        "path": FOLDER,
        "sessions": [TWO, ONE],
        "created_at": int(NOON),
        "most_recent_session": int(NOON) + 50,
    }
    assert isinstance(newest["most_recent_session"], int)


def test_no_projects_are_an_empty_list(server: Server) -> None:
    assert get(server, "/api/projects") == []


def test_sessions_come_newest_first_with_the_documented_fields(
    server: Server, config: Path
) -> None:
    session(config, FOLDER, prompt("first\nwords", FOLDER, NOON) + prompt("more", FOLDER), ONE)
    session(config, FOLDER, prompt("b", FOLDER, NOON + 50), TWO)
    newest, older = get(server, f"/api/projects/{PROJECT}/sessions")
    assert newest["id"] == TWO
    assert older == {
        "id": ONE,
        "project_id": PROJECT,
        "project_path": FOLDER,
        "todo_data": None,
        "created_at": int(NOON),
        "first_message": "first words",
        "message_timestamp": stamp(NOON),
    }


def test_a_session_has_claudes_list_of_tasks(server: Server, config: Path) -> None:
    for each in (ONE, TWO):
        session(config, FOLDER, prompt("a", FOLDER), each)
    (config / "todos").mkdir()
    todos = [{"content": "Prune \ud800", "status": "pending"}]
    (config / "todos" / f"{ONE}-agent-{ONE}.json").write_text(json.dumps(todos))
    folder = config / "tasks" / TWO
    folder.mkdir(parents=True)
    for number in (10, 9):
        (folder / f"{number}.json").write_text(json.dumps({"id": str(number)}))
    (folder / "11.json").write_text('{"half')
    found = get(server, f"/api/projects/{PROJECT}/sessions")
    assert {each["id"]: each["todo_data"] for each in found} == {
        ONE: todos,
        TWO: [{"id": "9"}, {"id": "10"}],
    }


def test_changes_on_disk_are_in_the_next_response(server: Server, config: Path) -> None:
    def seen() -> list[tuple[str, list[str], int]]:
        found = get(server, "/api/projects")
        return [(each["id"], each["sessions"], each["most_recent_session"]) for each in found]

    noon = int(NOON)
    path = session(config, FOLDER, prompt("a", FOLDER), ONE)
    assert seen() == [(PROJECT, [ONE], noon)]
    with path.open("a") as file:
        file.write(prompt("b", FOLDER, NOON + 7))
    assert seen() == [(PROJECT, [ONE], noon + 7)]
    session(config, FOLDER, prompt("c", FOLDER, NOON + 9), TWO)
    assert seen() == [(PROJECT, [TWO, ONE], noon + 9)]
    path.unlink()
    assert seen() == [(PROJECT, [TWO], noon + 9)]
    session(config, "/srv/infra", prompt("d", "/srv/infra"), ONE)
    assert [each[0] for each in seen()] == [PROJECT, "-srv-infra"]
    path.parent.rename(path.parent.with_name("-elsewhere"))
    assert [each[0] for each in seen()] == ["-elsewhere", "-srv-infra"]


def test_missing_resource_is_an_error_in_the_envelope(server: Server, config: Path) -> None:
    session(config, FOLDER, prompt("a", FOLDER), ONE)
    for path in (
        "/api/projects/none/sessions",
        "/api/projects/%2e%2e/sessions",
        "/api/projects/..%2f..%2fetc/sessions",
        f"/api/sessions/{TWO}/history/{PROJECT}",
        f"/api/sessions/..%2f{ONE}/history/{PROJECT}",
        f"/api/sessions/{ONE}/history/none",
        f"/api/sessions/{'f' * 32}/history/{PROJECT}",
        "/api/nothing",
    ):
        assert error(server.get(path), 404).startswith("There is no"), path


# Histories


def history_of(server: Server, session_id: str, project: str = PROJECT) -> Any:
    return api.history_of(server, session_id, project)


def test_a_history_is_the_lines_of_the_session_as_claude_wrote_them(
    server: Server, config: Path
) -> None:
    entries = [{"type": "user", "n": 1}, {"type": "new", "of": [1.5, None, "ü \ud83d"]}, [7], "x"]
    session(config, FOLDER, "".join(map(line, entries)) + "\n", ONE)
    assert history_of(server, ONE) == entries
    assert history_of(server, ONE.upper()) == entries


def test_invalid_json_line_is_returned_verbatim(server: Server, config: Path) -> None:
    path = session(config, FOLDER, "", ONE)
    bad = [b"not json", b'{"a":NaN}', b'{"a":\xff}', b"{} {}", b"[" * 100_000, b'{"half":']
    path.write_bytes(b'{"a":1}\r\n' + b"\n".join(bad))
    first, *raw = history_of(server, ONE)
    assert first == {"a": 1}
    assert [each["type"] for each in raw] == ["raw"] * len(bad)
    assert [each["line"].encode() for each in raw if "\ufffd" not in each["line"]] == [
        each for each in bad if b"\xff" not in each
    ]


def test_an_empty_history_is_an_empty_list(server: Server, config: Path) -> None:
    session(config, FOLDER, "", ONE)
    assert history_of(server, ONE) == []


def test_the_id_of_a_run_finds_the_session_too(
    start_server: Callable[..., Server], stand_in: Path, tmp_path: Path
) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    server = start_server(sandbox, stand_in)
    project = history.project_id(sandbox.project)
    answer = server.post(
        "/sessions",
        {
            "folder": str(sandbox.project),
            "prompt": "say hello",
            "session_id": str(uuid.uuid4()),
            "prompt_id": str(uuid.uuid4()),
        },
    )
    assert answer.status_code == 303, answer.text
    runs = sandbox.state / "runs"
    run_id = next(path.name for path in runs.iterdir())
    session_id = json.loads((runs / run_id / "run.json").read_text())["session_id"]
    # The stand-in keeps no history: as long as there is none, it is empty
    assert history_of(server, run_id, project) == []
    session(sandbox.config_dir, sandbox.project, prompt("say hello", FOLDER), session_id)
    assert len(history_of(server, run_id, project)) == 1
    assert history_of(server, run_id, project) == history_of(server, session_id, project)


def long_history(path: Path, size: int) -> int:
    """Fill a session file; the number of its lines."""
    entry = line({"type": "assistant", "timestamp": stamp(NOON), "text": "word " * 400})
    count = size // len(entry)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(entry for _ in range(count))
    return count


def test_long_history_starts_at_once_and_delays_no_other_request(
    server: Server, config: Path
) -> None:
    path = session(config, FOLDER, prompt("a", FOLDER), ONE)
    count = long_history(path, 13_000_000)
    (worker,) = server.worker_processes()
    history_of(server, ONE)  # what is loaded once is loaded
    before = worker.memory_info().rss
    peak, firsts, waits, sizes, took = before, [], [], [], []
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            start = time.perf_counter()
            assert server.get("/api/projects").ok
            waits.append(time.perf_counter() - start)

    asking = threading.Thread(target=others)
    asking.start()
    try:
        for _ in range(3):
            start, size = time.perf_counter(), 0
            with requests.get(
                f"{server.url}/api/sessions/{ONE}/history/{PROJECT}",
                auth=(USER, PASSWORD),
                stream=True,
                timeout=20,
            ) as answer:
                for piece in answer.iter_content(256 * 1024):
                    if not size:
                        firsts.append(time.perf_counter() - start)
                    size += len(piece)
                    peak = max(peak, worker.memory_info().rss)
            sizes.append(size)
            took.append(time.perf_counter() - start)
    finally:
        done.set()
        asking.join()
    assert min(sizes) > 12_000_000
    assert peak - before < 10_000_000
    # The promise is 50 ms; on a machine that is busy with other things all takes its time
    soon = max(0.2, min(took) / 4)
    assert min(firsts) < soon
    assert sorted(waits)[len(waits) // 2] < soon
    assert len(history_of(server, ONE)) == count + 1


def test_a_history_that_grows_meanwhile_ends_where_it_ended(server: Server, config: Path) -> None:
    path = session(config, FOLDER, prompt("a", FOLDER), ONE)
    with path.open("rb") as file:
        values = history.values(file)
        first = next(values)
        with path.open("a") as more:
            more.write(prompt("b", FOLDER))
        assert [first, *values] == [prompt("a", FOLDER).strip().encode()]
    assert len(history_of(server, ONE)) == 2


def test_abandoned_history_download_leaves_no_file_open(server: Server, config: Path) -> None:
    path = session(config, FOLDER, prompt("a", FOLDER), ONE)
    long_history(path, 5_000_000)
    (worker,) = server.worker_processes()
    address = f"{server.url}/api/sessions/{ONE}/history/{PROJECT}"

    def is_open() -> bool:
        return str(path.resolve()) in {each.path for each in worker.open_files()}

    with requests.get(address, auth=(USER, PASSWORD), stream=True, timeout=20):
        until(is_open, "the history is being read")
    until(lambda: not is_open(), "it is closed when the client has gone")
    assert requests.head(address, auth=(USER, PASSWORD), timeout=20).status_code == 200
    until(lambda: not is_open(), "it is closed when only the headers were asked for")
