"""The ports, beside the server's own, on which previews of dev servers are shown.

gunicorn's configuration decides about them before the standard library is patched, and its workers,
which are forked, read them: nothing of the app is imported here.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping

from opcode_htmx.lib.late.patterns import late_pattern

OFF = "off"
DISTANCE, NUMBER = 10000, 4
"""By default these are so many ports, so far above the server's own: dev servers take those that
follow 3000, 5173 or 8080 by themselves."""
MOST = 32
HIGHEST = 65535
NO_ADDRESS = -1

_RANGE = late_pattern(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class BadPorts(ValueError):
    """A text that names no ports; the message is the end of a sentence that begins with a name."""


def parse(text: str) -> tuple[int, ...] | None:
    """The ports that `18080-18083, 19000` names; none for `off`; None for an empty text.

    Raises BadPorts.
    """
    text = text.strip().lower()
    if not text:
        return None
    if text == OFF:
        return ()
    found: dict[int, None] = {}
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= HIGHEST or last - first >= MOST:
            raise BadPorts(f"must be off, or ports such as 18080-18083, not {text!r}")
        found.update(dict.fromkeys(range(first, last + 1)))
    if len(found) > MOST:
        raise BadPorts(f"may name {MOST} ports at most")
    return tuple(found)


class _State:
    """What was decided: a reload of gunicorn's configuration must not decide again."""

    chosen: tuple[int, ...] | None = None
    listening: tuple[int, ...] = ()


def choose(host: str, port: int, environment: Mapping[str, str]) -> tuple[int, ...]:
    """The ports to listen on: those of OPCODE_PREVIEW_PORTS, without any that is taken.

    No preview keeps the server from starting. The first call decides for this process.
    """
    if _State.chosen is None:
        # where systemd gives the sockets, gunicorn binds none
        found = () if environment.get("LISTEN_FDS") else wanted(port, environment)
        _State.chosen = tuple(each for each in found if is_free(host, each))
    return _State.chosen


def wanted(port: int, environment: Mapping[str, str]) -> tuple[int, ...]:
    """The ports of OPCODE_PREVIEW_PORTS, or the usual ones; `port` is the server's own."""
    try:
        found = parse(environment.get("OPCODE_PREVIEW_PORTS", ""))
    except BadPorts:
        found = ()  # the app refuses to start, with a sentence
    if found is None:
        first = port + DISTANCE
        found = tuple(range(first, first + NUMBER)) if first + NUMBER <= HIGHEST else ()
    return tuple(each for each in found if each != port)


def opened(port: int, addresses: Iterable[object]) -> None:
    """Note what gunicorn really listens on: (host, port, …) or the path of a socket, each."""
    found = [each[1] for each in addresses if isinstance(each, tuple)]
    _State.listening = tuple(dict.fromkeys(each for each in found if each != port))


def listening() -> tuple[int, ...]:
    """The ports of previews that this server listens on, in order."""
    return _State.listening


def is_free(host: str, port: int) -> bool:
    """Whether something could listen on a port."""
    return not refusal(host, port)


def refusal(host: str, port: int) -> int:
    """The error number with which a port is refused to a server; 0 if it is granted.

    NO_ADDRESS where `host` means none.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror:
        return NO_ADDRESS
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0
