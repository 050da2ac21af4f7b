"""Which previews a person has opened: at a port of ours, or under a path with a pass.

Kept in a file, so that every worker knows them, and a preview outlives a restart of the server as
its dev server does.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.process_identity import ProcessKey
from opcode_htmx.runs.processes.listening import Listener, still_listens
from opcode_htmx.sessions.dev_servers.servers import DevServer
from opcode_htmx.web.auth.tokens import digest

VERSION = 1
PASS_SECONDS = 12 * 3600.0
MOST_PASSES = 50


class NoRoom(Exception):
    """Every port for previews shows a server that is alive; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A preview of one dev server. `at`: when it was opened, as a Unix time."""

    listener: Listener
    session_id: str
    folder: str
    at: float
    login: str = ""
    """The login that a pass ends with; empty for a port, which any login may use."""

    def shows(self, server: DevServer) -> bool:
        return self.listener == server.listener


@dataclass(frozen=True, slots=True)
class _Content:
    ports: Mapping[int, Opening] = field(default_factory=dict)
    passes: Mapping[str, Opening] = field(default_factory=dict)
    """By the hash of the pass."""


def _opening(content: Mapping[str, Any]) -> Opening:
    listener = Listener(
        int(content["port"]),
        str(content["address"]),
        ProcessKey(int(content["pid"]), float(content["started"])),
        int(content["descriptor"]),
        int(content["inode"]),
    )
    if listener.address not in ("127.0.0.1", "::1"):
        raise ValueError("a preview is of this machine")
    return Opening(
        listener,
        str(content["session"]),
        str(content["folder"]),
        float(content["at"]),
        str(content["login"]),
    )


def _content_of(opening: Opening) -> dict[str, Any]:
    listener = opening.listener
    return {
        "port": listener.port,
        "address": listener.address,
        "pid": listener.key.pid,
        "started": listener.key.started,
        "descriptor": listener.descriptor,
        "inode": listener.inode,
        "session": opening.session_id,
        "folder": opening.folder,
        "at": opening.at,
        "login": opening.login,
    }


def _parse(content: dict[str, Any]) -> _Content:
    return _Content(
        {int(port): _opening(each) for port, each in content["ports"].items()},
        {str(hashed): _opening(each) for hashed, each in content["passes"].items()},
    )


FILE = JsonFileSchema(VERSION, _parse)


class Openings:
    """The opened previews, in a file that all workers share."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._lock = path.with_name(f"{path.name}.lock")
        self._clock = clock
        self._known: tuple[object, _Content] = (None, _Content())

    def at_port(self, port: int) -> Opening | None:
        """What a port of ours shows, or has shown last."""
        return self._read().ports.get(port)

    def by_pass(self, given: str) -> Opening | None:
        """What a pass opens, while it is valid. Its login is checked by the caller."""
        found = self._read().passes.get(digest(given))
        return found if found and self._is_valid(found) else None

    def port_of(self, server: DevServer, among: Sequence[int]) -> int | None:
        """The port of ours that shows a server."""
        ports = self._read().ports
        return next((each for each in among if each in ports and ports[each].shows(server)), None)

    def open_at_port(self, server: DevServer, among: Sequence[int]) -> int:
        """Show a server at one of these ports, and give that. Raises NoRoom and OSError.

        What browsers keep for an address (storage, for example) is found again by the next server
        there, so a project gets a port that it has had before, if that is free.
        """
        with file_locks.held(self._lock):
            content = self._fresh()
            ports = dict(content.ports)
            for port in among:
                if port in ports and ports[port].shows(server):
                    return port
            free = [each for each in among if each not in ports or not _is_alive(ports[each])]
            if not free:
                raise NoRoom(
                    "Every address for previews is in use. Close the preview of another server, or "
                    "name more ports in OPCODE_PREVIEW_PORTS."
                )

            def fitness(port: int) -> tuple[bool, float]:
                had = ports.get(port)
                return not (had and had.folder == server.folder), had.at if had else 0.0

            chosen = min(free, key=fitness)
            ports[chosen] = self._new(server)
            self._write(replace(content, ports=ports))
            return chosen

    def open_by_pass(self, server: DevServer, login: str) -> str:
        """A new pass to a server, for a login. Raises OSError."""
        given = secrets.token_urlsafe(24)
        with file_locks.held(self._lock):
            content = self._fresh()
            valid = {k: each for k, each in content.passes.items() if self._is_valid(each)}
            newest = sorted(valid, key=lambda each: valid[each].at)[-(MOST_PASSES - 1) :]
            passes = {each: valid[each] for each in newest}
            passes[digest(given)] = replace(self._new(server), login=login)
            self._write(replace(content, passes=passes))
        return given

    def close(self, server: DevServer) -> None:
        """End every preview of a server. Raises OSError."""
        with file_locks.held(self._lock):
            found = self._fresh()
            ports = {port: each for port, each in found.ports.items() if not each.shows(server)}
            passes = {k: each for k, each in found.passes.items() if not each.shows(server)}
            self._write(_Content(ports, passes))

    def is_open(self, server: DevServer) -> bool:
        found = self._read()
        return any(each.shows(server) for each in (*found.ports.values(), *found.passes.values()))

    def _new(self, server: DevServer) -> Opening:
        return Opening(server.listener, server.session_id, server.folder, self._clock())

    def _is_valid(self, opening: Opening) -> bool:
        return 0 <= self._clock() - opening.at < PASS_SECONDS and _is_alive(opening)

    def _read(self) -> _Content:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - once for each proxied request
        except OSError:
            return _Content()
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._known[0] != version:
            self._known = (version, FILE.read(self._path) or _Content())
        return self._known[1]

    def _fresh(self) -> _Content:
        return FILE.read(self._path) or _Content()

    def _write(self, content: _Content) -> None:
        ports = {str(port): _content_of(each) for port, each in content.ports.items()}
        passes = {hashed: _content_of(each) for hashed, each in content.passes.items()}
        FILE.write(self._path, {"ports": ports, "passes": passes})


def _is_alive(opening: Opening) -> bool:
    return still_listens(opening.listener)
