"""Checks of the network: the port, a firewall, and by which way a browser comes in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from opcode_htmx.lib import resources
from opcode_htmx.sessions.health import firewall, network
from opcode_htmx.sessions.health.check import State
from tests.sessions.health.support import settings_of
from tests.support.environment import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_free_port_is_fine(tmp_path: Path) -> None:
    found = network.port(settings_of(tmp_path, PORT=str(free_port())))
    assert (found.state, "is free" in found.summary) == (State.OK, True)
    assert "Only this machine" in found.summary


def test_a_port_that_another_program_has_is_a_problem_and_a_free_one_is_named(
    tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_ANSWER_SECONDS", 0.05)
    found = network.port(settings_of(tmp_path, PORT=str(taken)))
    assert found.state is State.PROBLEM
    assert "127.0.0.1" in found.facts["Listening"]
    free = int(found.command.removeprefix("PORT=").removesuffix(f" {resources.START}"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free))


def test_the_server_itself_is_recognised_on_its_port_below_its_base_path(tmp_path: Path) -> None:
    def answer(environ: dict[str, str], begin: object) -> list[bytes]:
        assert environ["PATH_INFO"] == "/opcode/healthz"
        begin("200 OK", [("Content-Type", "application/json")])  # type: ignore[operator]
        return [b'{"status":"ok"}']

    server = WSGIServer(("127.0.0.1", 0), answer, log=None)
    server.start()
    try:
        port = str(server.server_port)
        settings = settings_of(tmp_path, PORT=port, OPCODE_BASE_PATH="/opcode")
        # elsewhere than here the standard library's sockets would hold up the server
        found = gevent.get_hub().threadpool.apply(network._is_ours, (settings,))
        assert found is True
    finally:
        server.stop()


def test_an_address_of_another_machine_is_a_problem(tmp_path: Path) -> None:
    found = network.port(settings_of(tmp_path, HOST="192.0.2.7", PORT=str(free_port())))
    assert (found.state, "192.0.2.7" in found.summary) == (State.PROBLEM, True)


def test_http_is_fine_on_this_machine_and_a_warning_for_a_phone(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, HOST="0.0.0.0", PORT="8123")
    assert network.tls(settings).state is State.HINT
    assert network.tls(settings_of(tmp_path)).state is State.OK
    assert network.tls_of_request(settings, "https", "box.lan").state is State.OK
    assert network.tls_of_request(settings, "http", "localhost:8123").state is State.OK
    found = network.tls_of_request(settings, "http", "192.168.1.5:8123")
    assert (found.state, found.command) == (State.WARNING, "tailscale serve --bg 8123")


def test_a_firewall_is_a_hint_with_the_command_that_opens_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, HOST="0.0.0.0", PORT="8123")
    for name, of in (
        ("_ufw", "sudo ufw allow from 10.1.0.0/16 to any port 8123 proto tcp"),
        ("_firewalld", "sudo firewall-cmd --permanent --add-port=8123/tcp"),
        ("_nftables", "sudo nft add rule inet filter input ip saddr 10.1.0.0/16 tcp dport 8123"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(firewall, "_network", lambda: "10.1.0.0/16")
            for each in ("_ufw", "_firewalld", "_nftables", "_of_macos"):
                patched.setattr(firewall, each, lambda is_it=each == name: is_it)
            found = firewall.firewall(settings)
        assert found.state is State.HINT
        assert found.command.startswith(of)
    assert firewall.firewall(settings_of(tmp_path)).state is State.OK
