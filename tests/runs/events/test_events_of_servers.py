"""Events of real servers: emitted once by two workers, with their actor."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.identity import ENGINE, Identity, owner
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    TurnEnded,
)
from tests.runs.events.listening import in_journal, names, only
from tests.runs.events.of_servers import BASIC, emitted, execute
from tests.support.cli.supervision import FOREVER, new_id, steps
from tests.support.clients.json_client import connected
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server

Start = Callable[..., Server]


def heard(server: Server, name: str) -> list[tuple[int, str]]:
    """The pids of workers, and the ids of the events that their handlers were given."""
    path = server.sandbox.home / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), event_id) for pid, event_id in (line.split() for line in lines)]


class Person:
    """A browser that is logged in by the form, and its login."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = requests.Session()
        form = {"user": USER, "password": PASSWORD}
        assert self._session.post(f"{server.url}/login", data=form, timeout=20).ok
        (login,) = (server.sandbox.state / "logins").glob("*.json")
        self.identity = owner(USER, login.stem)

    def post(self, path: str, **form: str) -> requests.Response:
        page = self._session.get(self._server.url, timeout=20).text
        (token, *_) = re.findall(r'name="csrf[^"]*" value="([^"]+)"', page)
        url, data = f"{self._server.url}{path}", {**form, "csrf_token": token}
        answer = self._session.post(url, data=data, timeout=20, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "app", "tests.support.apps.listening:app")


@pytest.mark.usefixtures("listening")
def test_two_workers_emit_each_event_once_and_both_receive_it(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    listening = sandbox.home / "listening"
    until(lambda: len(listening.read_text().splitlines()) == 2, "both workers have started")
    for _ in range(4):
        execute(server, steps(["ask", "r1"], FOREVER))
    events = emitted(server, *(["run_started", "prompt_submitted", "permission_asked"] * 4))
    pids = {worker.pid for worker in server.worker_processes()}
    assert len(pids) == 2
    once = until(lambda: (found := heard(server, "heard-once"))[11:] and found, "all are handled")
    assert sorted(event_id for _, event_id in once) == sorted(event.id for event in events)
    everywhere = until(
        lambda: (found := heard(server, "heard-everywhere"))[23:] and found, "both have all"
    )
    expected = Counter((pid, event.id) for pid in pids for event in events)
    assert Counter(everywhere) == expected


@pytest.mark.usefixtures("listening")
def test_a_worker_that_is_killed_leaves_its_events_to_the_other_one(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    left = start_server(sandbox, stand_in)
    right = start_server(sandbox, stand_in)
    gates = [sandbox.home / f"gate-{number}" for number in range(3)]
    for gate in gates:
        execute(left, steps(["text", "so far"], ["wait", str(gate)], ["ask", "r1"], ["exit", 0]))
    begun = ["run_started", "prompt_submitted"] * 3
    emitted(left, *begun)
    until(lambda: heard(left, "heard-once")[5:], "they are handled, which nobody else would do")
    left.kill()
    for gate in gates:
        gate.touch()
    events = emitted(right, *begun, *(["permission_asked"] * 3))
    for event in events:
        if event.id.endswith("run_started"):
            answer = right.post(f"/runs/{event.run_id}/asks/r1", {"decision": "allow"})
            assert answer.status_code == 303, answer.text
    end = ["permission_answered", "run_ended"] * 3
    events = emitted(right, *begun, *(["permission_asked"] * 3), *end)
    once = until(lambda: (found := heard(right, "heard-once"))[14:] and found, "all are handled")
    assert sorted(event_id for _, event_id in once) == sorted(event.id for event in events)


def test_workers_that_are_killed_again_and_again_lose_and_repeat_nothing(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    turns = 5
    session_id = execute(server, "turn 0")

    def prompt(number: int) -> None:
        page = f"/projects/{history.project_id(sandbox.project)}/sessions/{session_id}/prompt"
        form = {"prompt": f"turn {number}", "prompt_id": new_id()}

        def sent() -> bool:
            try:
                return server.post(page, form).status_code == 303
            except requests.ConnectionError:  # its worker was killed just now
                return False

        until(sent, "the prompt is sent")

    for number in range(1, turns):
        # while a turn ends, another begins, or nothing happens
        workers = until(server.worker_processes, "a worker runs")
        workers[number % len(workers)].send_signal(signal.SIGKILL)
        prompt(number)
    kinds = ["prompt_submitted", "turn_ended"] * turns
    events = emitted(server, "run_started", *kinds)
    submitted = [event.characters for event in events if isinstance(event, PromptSubmitted)]
    assert sorted(submitted) == sorted(len(f"turn {number}") for number in range(turns))


def test_actor_of_an_event_is_its_cause(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in)
    person = Person(server)
    by: dict[str, list[Identity]] = {}

    def note(way: str, *kinds: str) -> None:
        """Keep by whom the events were that were emitted since the last time, turns left out."""
        before = sum(map(len, by.values()))
        events = [event for event in in_journal(sandbox.state) if not isinstance(event, TurnEnded)]
        assert names(events[before:]) == list(kinds)
        by[way] = [event.by for event in events[before:]]

    def wait(kind: type[RunEvent], count: int) -> None:
        def found() -> bool:
            return sum(isinstance(event, kind) for event in in_journal(sandbox.state)) >= count

        until(found, f"{count} {kind.__name__}")

    ids = {"session_id": new_id(), "prompt_id": new_id(), "folder": str(sandbox.project)}
    person.post("/sessions", **ids, prompt=steps(["ask", "r1"], FOREVER))
    wait(PromptSubmitted, 1)
    run_id = only(PromptSubmitted, in_journal(sandbox.state)).run_id
    until(lambda: "permission_asked" in names(in_journal(sandbox.state)), "Claude asks")
    person.post(f"/runs/{run_id}/asks/r1", decision="allow")
    wait(PermissionAnswered, 1)
    person.post(f"/runs/{run_id}/stop")
    wait(RunEnded, 1)
    kinds = ["run_started", "prompt_submitted", "permission_asked", "permission_answered"]
    note("form", *kinds, "run_ended")

    session_id = execute(server, steps(FOREVER))
    wait(PromptSubmitted, 2)
    assert server.post(f"/api/sessions/{session_id}/cancel", {}).ok
    wait(RunEnded, 2)
    note("REST", "run_started", "prompt_submitted", "run_ended")

    with connected(server) as client:
        prompt = steps(["ask", "r1"], FOREVER)
        client.send(command_type="execute", project_path=str(sandbox.project), prompt=prompt)
        client.until(lambda message: "can_use_tool" in message.get("content", ""))
        client.send(command_type="permission", request_id="r1", decision="allow")
        wait(PermissionAnswered, 2)
        client.send(command_type="cancel")
        client.until("ended")
    wait(RunEnded, 3)
    note("/ws/claude", *kinds, "run_ended")

    me = person.identity
    person.close()
    assert by == {
        "form": [me, me, ENGINE, me, me],
        "REST": [BASIC, BASIC, BASIC],
        "/ws/claude": [BASIC, BASIC, ENGINE, BASIC, BASIC],
    }
    log = server.log.read_text()
    actor = f"actor=opcode/{me.login[:8]}"
    for action in ("login", "run.start", "prompt.send", "permission.allow", "run.stop"):
        assert f"{actor} action={action} " in log
    assert "actor=opcode/basic action=run.stop " in log
    assert me.login not in log
    assert "/no/such/file" not in log
