"""The sign of a dev server: when it is looked for, when not, and which sessions are notified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import gevent
import pytest

from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes.listening import Listener
from opcode_htmx.sessions.dev_servers import signs
from opcode_htmx.sessions.dev_servers.servers import DevServer
from opcode_htmx.sessions.dev_servers.signs import DevServerSigns
from tests.support.environment import until


@dataclass
class Machine:
    """What listens, runs and is viewed; and what was done about it."""

    listening: dict[str, tuple[int, ...]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    viewed: set[str] = field(default_factory=set)
    can_say: bool = True
    notified: list[str] = field(default_factory=list)
    looks: int = 0
    searches: int = 0

    def servers(self) -> list[DevServer]:
        self.searches += 1
        return [
            DevServer(
                Listener(port, "127.0.0.1", ProcessKey(2, 1.0), 3, port),
                "npm run dev",
                0.0,
                "run",
                session,
                "/work",
            )
            for session, ports in self.listening.items()
            for port in ports
            if session in self.running
        ]

    def sockets(self) -> object:
        self.looks += 1
        return frozenset(self.listening.items()) if self.can_say else None

    def signs(self) -> DevServerSigns:
        return DevServerSigns(
            self.servers,
            lambda: self.running,
            lambda: self.viewed,
            self.notified.append,
            self.sockets,
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name, seconds in (("SOONEST", 0.0), ("EVERY", 0.01), ("LONGEST", 0.02)):
        monkeypatch.setattr(signs, name, seconds)
    machine = Machine(running={"a", "b"})
    yield machine
    machine.viewed.clear()
    gevent.sleep(0.1)


def wait(condition: object, what: str) -> None:
    assert callable(condition)
    until(condition, what, sleep=lambda: gevent.sleep(0.005))


def test_after_a_change_of_a_session_the_ports_are_found_and_it_is_told(machine: Machine) -> None:
    known = machine.signs()
    machine.listening = {"a": (5173, 8000)}
    assert known.of("a", 1) == ()
    wait(lambda: machine.notified, "notified")
    assert (known.of("a", 1), known.of("b", 1)) == ((5173, 8000), ())
    assert machine.notified == ["a"]


def test_while_somebody_sees_it_a_server_that_begins_or_ends_later_is_noticed(
    machine: Machine,
) -> None:
    known = machine.signs()
    machine.viewed = {"a"}
    known.of("a", 1)
    wait(lambda: machine.looks > 4, "it is looked again and again")
    assert machine.searches == 2, "the processes are not searched while nothing changes"
    machine.listening = {"a": (5173,)}
    wait(lambda: known.of("a", 1) == (5173,), "it is there")
    machine.listening = {}
    wait(lambda: known.of("a", 1) == (), "it is gone")
    assert machine.notified == ["a", "a"]


def test_where_nobody_sees_it_or_nothing_runs_the_looks_end(machine: Machine) -> None:
    known = machine.signs()
    known.of("a", 1)
    wait(lambda: machine.looks, "it has looked")
    gevent.sleep(0.05)
    ended = machine.looks
    machine.viewed = {"another"}
    gevent.sleep(0.05)
    assert machine.looks == ended <= 3
    machine.running = set()
    machine.viewed = {"a"}
    known.of("a", 2)
    gevent.sleep(0.05)
    assert machine.looks == ended


def test_a_page_that_is_loaded_has_what_listens_now(machine: Machine) -> None:
    known = machine.signs()
    machine.listening = {"a": (5173,)}
    known.look()
    assert known.of("a", 1) == (5173,)
    for _ in range(3):
        known.look()
    assert machine.searches == 2, "twice after a change: a run may be known a moment later"
    machine.listening = {}
    known.look()
    assert known.of("a", 1) == ()


def test_a_session_that_has_ended_has_no_port_though_the_sockets_are_the_same(
    machine: Machine,
) -> None:
    known = machine.signs()
    machine.listening = {"a": (5173,)}
    known.look()
    assert known.of("a", 1) == (5173,)
    machine.running = {"b"}
    known.look()
    assert known.of("a", 1) == ()
    machine.running = {"a"}
    known.look()
    machine.running = set()
    known.look()
    assert known.of("a", 1) == ()


def test_where_the_system_does_not_say_every_look_searches(machine: Machine) -> None:
    machine.can_say = False
    known = machine.signs()
    known.look()
    known.look()
    assert machine.searches == 2


def test_a_look_that_fails_leaves_what_was_found_and_the_page_is_shown(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    known = machine.signs()
    machine.listening = {"a": (5173,)}
    known.look()

    def fails() -> object:
        raise OSError(24, "Too many open files")

    known._sockets = fails
    known.look()
    assert known.of("a", 1) == (5173,)
    assert "could not look for dev servers" in caplog.text
