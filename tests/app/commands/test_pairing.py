"""The QR code in the terminal: at the start, and by the command `pair`."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.app import cli
from opcode_htmx.app.pairing import terminal
from opcode_htmx.app.pairing.terminal import Screen, at_start, command_for, on_request
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib import qr
from opcode_htmx.web.auth.pairing import PairingCodes
from tests.app.commands.test_greeting import launched

WIDE, NARROW, NONE = Screen(100), Screen(30), Screen(0)
BLOCKS = re.compile("[█▀▄]")


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which something listens, as a running server does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path, port: int) -> Settings:
    environ = {"HOME": str(tmp_path), "HOST": "127.0.0.1", "PORT": str(port)}
    settings = Settings.from_env(environ)
    settings.state_dir.mkdir(parents=True, mode=0o700)
    return settings


def codes(settings: Settings) -> PairingCodes:
    return PairingCodes(settings.state_dir / "pairing")


def secret_in(settings: Settings, lines: list[str]) -> str:
    (link,) = [line.strip() for line in lines if "/pair#" in line]
    address, _, secret = link.partition("#")
    assert address == f"http://127.0.0.1:{settings.port}/pair"
    return secret


def test_the_start_shows_a_code_that_is_valid_and_says_until_when(settings: Settings) -> None:
    lines = list(at_start(settings, WIDE))
    text = "\n".join(lines)
    assert re.search(r"It works once, until \d\d:\d\d:\d\d:", text)
    assert command_for(settings) in text
    assert "Only this computer can open it: the server listens on 127.0.0.1 only" in text
    assert "#" not in text, "the secret is in the code only"
    assert len([line for line in lines if BLOCKS.search(line)]) == 17
    (kept,) = (settings.state_dir / "pairing").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_start_without_a_terminal_makes_no_code_and_names_the_command(
    settings: Settings,
) -> None:
    before, _ = codes(settings).create()
    lines = list(at_start(settings, NONE))
    assert lines == [f"To log in a phone by a QR code, run `{command_for(settings)}`."]
    assert codes(settings).redeem(before) is None, "a code ends with the server's restart"
    assert list((settings.state_dir / "pairing").iterdir()) == []


def test_a_narrow_terminal_gets_the_link(settings: Settings) -> None:
    for shown in (at_start, on_request):
        lines = list(shown(settings, NARROW))
        assert not BLOCKS.search("\n".join(lines))
        assert codes(settings).redeem(secret_in(settings, lines))


def test_pair_shows_a_code_and_the_same_link(settings: Settings) -> None:
    lines = list(on_request(settings, WIDE))
    secret = secret_in(settings, lines)
    link = f"http://127.0.0.1:{settings.port}/pair#{secret}"
    drawn = [line.strip() for line in lines if "\x1b" in line]
    assert drawn == qr.half_blocks(qr.encode(link, qr.COMPACT_QUIET_ZONE))
    assert codes(settings).redeem(secret)


def test_the_link_has_the_base_path(settings: Settings) -> None:
    below = settings.with_values(base_path="/opcode")
    (link,) = [line.strip() for line in on_request(below, NARROW) if "/pair#" in line]
    assert link.startswith(f"http://127.0.0.1:{settings.port}/opcode/pair#")
    assert "OPCODE_BASE_PATH=/opcode" in command_for(below)


def test_pair_replaces_the_code_of_the_start(settings: Settings) -> None:
    first = secret_in(settings, list(on_request(settings, NONE)))
    second = secret_in(settings, list(on_request(settings, NONE)))
    assert [bool(codes(settings).redeem(each)) for each in (first, second)] == [False, True]


def test_pair_without_a_server_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        for name, value in (
            ("HOME", str(tmp_path)),
            ("HOST", "127.0.0.1"),
            ("PORT", str(unused.getsockname()[1])),
            ("OPCODE_STATE_DIR", str(tmp_path / "state")),
        ):
            monkeypatch.setenv(name, value)
        assert cli.main(["pair"]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("No server answers on port ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_the_command_names_the_settings_that_are_not_the_usual_ones(tmp_path: Path) -> None:
    def command(**environ: str) -> str:
        return command_for(Settings.from_env({"HOME": str(tmp_path), **environ}))

    assert command() == "make pair"
    assert command(PORT="9000", HOST="127.0.0.1") == "HOST=127.0.0.1 PORT=9000 make pair"
    folder = str(tmp_path / "my state")
    assert command(OPCODE_STATE_DIR=folder) == f"OPCODE_STATE_DIR='{folder}' make pair"


def test_the_greeting_has_the_code_before_the_rest(tmp_path: Path) -> None:
    lines = list(cli.greeting(launched(tmp_path, demo=False), ["the code"]))
    assert lines.index("the code") < lines.index("Stop with Ctrl-C.")


class Terminal(io.StringIO):
    def __init__(self, encoding: str, is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def test_a_code_is_drawn_in_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "77")
    assert Screen.of(Terminal("utf-8")) == Screen(77)
    assert Screen.of(Terminal("ascii")) == NONE
    assert Screen.of(Terminal("utf-8", is_terminal=False)) == NONE
    monkeypatch.setenv("TERM", "dumb")
    assert Screen.of(Terminal("utf-8")) == NONE
    assert terminal.screen() == NONE
