"""Print a QR code in the terminal that logs in a phone.

A code is printed into a terminal only, since the start of a service is written to a log. Does not
import Flask.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from opcode_htmx.config.settings import Settings, environment
from opcode_htmx.lib import qr, resources
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_dir import ensure_state_dir
from opcode_htmx.web.auth.pairing import PairingCodes
from opcode_htmx.web.origin import server_addresses

_CONNECT_SECONDS = 2.0
_INDENT = "  "


class NoServer(Exception):
    """No server answers; the message is one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where lines are printed. `columns` is 0 where that is no terminal that can show a code."""

    columns: int

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """The screen behind a stream; none for a file, a pipe, and a terminal without colours."""
        if not stream.isatty() or environment().get("TERM", "dumb") == "dumb":
            return cls(0)
        try:
            "█▀▄".encode(stream.encoding or "ascii")
        except (LookupError, UnicodeEncodeError):
            return cls(0)
        return cls(shutil.get_terminal_size().columns)


def at_start(settings: Settings, screen: Screen) -> Iterator[str]:
    """The lines about a phone for the start of the server, with a new code if it can be shown.

    No earlier code is valid any more. Raises OSError.
    """
    command = command_for(settings)
    _codes(settings).revoke_all()
    url = _urls(settings)[0]
    if not screen.columns:
        yield f"To log in a phone by a QR code, run `{command}`."
        return
    yield from _code(settings, url, screen)
    yield f"A new code: run `{command}`, or open “Add a device” where you are logged in."


def on_request(settings: Settings, screen: Screen) -> Iterator[str]:
    """The lines of `pair`: a new code and its link; the link alone where a code has no place.

    Raises NoServer, StateError or OSError.
    """
    _check_server(settings)
    ensure_state_dir(settings.state_dir)
    best, *others = _urls(settings)
    yield from _code(settings, best, screen, with_link=True)
    if others:
        yield f"If the device cannot open it, put {' or '.join(others)} in front of `pair#`."


def _code(
    settings: Settings, url: str, screen: Screen, *, with_link: bool = False
) -> Iterator[str]:
    secret, code = _codes(settings).create()
    link = f"{url}pair#{secret}"
    until = f"{datetime.fromtimestamp(code.expires).astimezone():%H:%M:%S}"
    rows = qr.encode(link, qr.COMPACT_QUIET_ZONE)
    fits = len(rows) + len(_INDENT) <= screen.columns
    if fits:
        yield f"Scan this with the phone's camera to log in. It works once, until {until}:"
        yield ""
        yield from (f"{_INDENT}{line}" for line in qr.half_blocks(rows))
        yield ""
    if with_link or not fits:
        yield f"This link logs in one device, until {until}:" if not fits else "The same as a link:"
        yield f"{_INDENT}{link}"
    if server_addresses.is_for_this_machine(url):
        yield f"Only this computer can open it: {_why_local(settings)}."


def _why_local(settings: Settings) -> str:
    if server_addresses.is_for_this_machine(f"http://{server_addresses.in_url(settings.host)}"):
        return f"the server listens on {settings.host} only, as HOST says"
    return "this computer has no address in a network"


def _urls(settings: Settings) -> list[str]:
    return server_addresses.for_devices(settings.host, settings.port, settings.base_path)


def _codes(settings: Settings) -> PairingCodes:
    return PairingCodes(settings.state_dir / "pairing")


def program() -> str:
    """The command of this installation that prints a new code."""
    is_checkout = (resources.IMPORT_FOLDER / "Makefile").is_file()
    return "make pair" if is_checkout else "opcode-htmx pair"


def command_for(settings: Settings) -> str:
    """The command that prints a new code for the server with these settings."""
    given = {
        "HOST": settings.host,
        "PORT": str(settings.port),
        "OPCODE_BASE_PATH": settings.base_path,
        "OPCODE_STATE_DIR": str(settings.state_dir),
    }
    usual = {
        **{variable.name: variable.default for variable in settings.variables()},
        "OPCODE_STATE_DIR": str(settings.xdg_state_home / "opcode-htmx"),
    }
    changed = [
        f"{name}={shlex.quote(value)}" for name, value in given.items() if value != usual[name]
    ]
    return " ".join([*changed, program()])


def _check_server(settings: Settings) -> None:
    """Raises NoServer unless something listens at the server's address."""
    unspecified = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
    host = unspecified.get(settings.host, settings.host)
    try:
        socket.create_connection((host, settings.port), _CONNECT_SECONDS).close()
    except OSError:
        raise NoServer(
            f"No server answers on port {settings.port}; start it with the same settings, which "
            "prints a code as well."
        ) from None


def screen() -> Screen:
    """The screen of this process's output."""
    return Screen.of(sys.stdout)
