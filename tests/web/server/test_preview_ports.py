"""Which ports previews get, and that they never keep the server from starting."""

from __future__ import annotations

import socket

import pytest

from opcode_htmx.web.server import preview_ports
from opcode_htmx.web.server.preview_ports import BadPorts
from tests.support.environment import free_port


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_ports._State, "chosen", None)
    monkeypatch.setattr(preview_ports._State, "listening", ())


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", None),
        ("off", ()),
        ("9000", (9000,)),
        ("9000-9002, 9001,80", (9000, 9001, 9002, 80)),
    ],
)
def test_ports_are_read(text: str, ports: tuple[int, ...] | None) -> None:
    assert preview_ports.parse(text) == ports


@pytest.mark.parametrize("text", ["0", "65536", "9-8", "on", "1-40", "1;2", "1-20,30-50"])
def test_what_names_no_ports_is_refused(text: str) -> None:
    with pytest.raises(BadPorts):
        preview_ports.parse(text)


def test_a_port_that_is_taken_is_left_out_and_a_reload_decides_nothing_anew() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        names = {"OPCODE_PREVIEW_PORTS": f"{used},{free},8080"}
        assert preview_ports.choose("127.0.0.1", 8080, names) == (free,)
        with socket.create_server(("127.0.0.1", free)):
            assert preview_ports.choose("127.0.0.1", 8080, names) == (free,)


def test_by_default_they_are_far_above_the_server_s_own() -> None:
    chosen = preview_ports.choose("127.0.0.1", 8080, {})
    assert set(chosen) <= {18080, 18081, 18082, 18083}


def test_systemd_s_sockets_are_taken_as_they_are() -> None:
    assert preview_ports.choose("127.0.0.1", 8080, {"LISTEN_FDS": "1"}) == ()
    preview_ports.opened(8080, [("127.0.0.1", 8080), ("::1", 18080, 0, 0), "/run/socket"])
    assert preview_ports.listening() == (18080,)
