"""Sign in at MCP servers by OAuth, with a browser that is on another device than Claude.

A Claude without a session holds the sign-in open, in the worker that began it. Any worker may get
the browser back: it leaves the address in a file, and the first worker hands that to Claude.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.features.claude_mcp.checks import Checks
from opcode_htmx.features.claude_mcp.connections import (
    CONNECT_SECONDS,
    Connections,
    ServerRefused,
    settled,
)
from opcode_htmx.features.claude_mcp.servers import McpServers
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.queries.query_process import QueryFailed, QueryProcess
from opcode_htmx.sessions.configuration.service import ChosenProject

SECONDS = 600.0
"""For which the browser may be away."""
KEPT_SECONDS = 3600.0
"""For which the outcome can be read."""
EXCHANGE_SECONDS = 40.0
"""Within which the authorization server answers, and the MCP server is connected again."""
MOST_OPEN = 4
"""Sign-ins at a time: each is a process of some 200 MB."""
POLL_SECONDS = 0.1
_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)
_LONGEST = 8000

log = logging.getLogger(__name__)


class SignInRefused(Exception):
    """An address ends no sign-in; the text says why."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that has begun; empty `outcome`: it is open, "done": it succeeded."""

    id: str
    server: str
    scope: str
    folder: str
    """The text of a form for the project."""
    url: str
    """Where the person signs in."""
    state: str
    """Identifies the sign-in to its authorization server."""
    redirect: str
    """Where the browser is sent after that."""
    is_ours: bool
    """Whether `redirect` is an address of this app; else the person copies it."""
    until: float
    outcome: str = ""
    reconnected: int = 0
    """The number of running sessions that use the new login."""

    @property
    def is_open(self) -> bool:
        return not self.outcome and time.time() < self.until

    @property
    def is_done(self) -> bool:
        return self.outcome == "done"

    @property
    def host(self) -> str:
        """The host that the link leads to, in ASCII."""
        host = urlsplit(self.url).netloc
        try:
            return host if host.isascii() else host.encode("idna").decode("ascii")
        except UnicodeError:
            return host


def _parse(content: Mapping[str, Any]) -> SignIn:
    return SignIn(**content)


SCHEMA = JsonFileSchema(1, _parse)


class SignIns:
    """The sign-ins, one file each."""

    def __init__(
        self, store: Path, connections: Connections, checks: Checks, servers: McpServers
    ) -> None:
        self._store = store
        self._connections = connections
        self._checks = checks
        self._servers = servers

    def begin(
        self,
        chosen: ChosenProject,
        scope: str,
        name: str,
        redirect: str | None,
        by: Identity,
    ) -> SignIn:
        """Begin one; `redirect` is our own address, None: a port of this computer.

        Raises ServerRefused.
        """
        atomic_files.remove_old(self._store.glob("*"), KEPT_SECONDS)
        claude = self._connections.open(chosen)
        try:
            settled(claude, name, CONNECT_SECONDS)
            given = claude.ask(queries.mcp_authenticate(name, redirect), CONNECT_SECONDS)
            sign_in = _begun(given, chosen, scope, name, redirect)
            self._write(sign_in)
        except QueryFailed as error:
            claude.close()
            raise ServerRefused(f"{error}.") from None
        except BaseException:
            claude.close()
            raise
        claude.hold()
        log_act(by, "mcp.sign_in", server=name)
        self._end_others(sign_in)
        gevent.spawn(self._hold, claude, chosen, sign_in)
        return sign_in

    def _end_others(self, new: SignIn) -> None:
        """End those that a new one replaces: at the same server, and the oldest beyond a few."""
        known = [each for each in self._all() if each.is_open and each.id != new.id]
        same = [each for each in known if (each.server, each.folder) == (new.server, new.folder)]
        others = sorted((each for each in known if each not in same), key=lambda each: each.until)
        excess = max(0, len(others) - MOST_OPEN + 1)
        for old in [*same, *others[:excess]]:
            outcome = "Another sign-in has begun instead."
            self._write(replace(old, state="", url="", outcome=outcome))

    def get(self, sign_in_id: str) -> SignIn | None:
        if not _ID.fullmatch(sign_in_id):
            return None
        return SCHEMA.read(self._path(sign_in_id))

    def with_state(self, state: str) -> SignIn | None:
        """The open sign-in to which an authorization server refers."""
        for found in self._all():
            if found.is_open and found.state and _same(found.state, state):
                return found
        return None

    def _all(self) -> list[SignIn]:
        return [each for each in map(SCHEMA.read, self._store.glob("*.json")) if each]

    def finish(self, sign_in: SignIn, address: str) -> SignIn:
        """Hand in the address that the browser ended on, once, and wait for what comes of it.

        Raises SignInRefused where it is not that of this sign-in.
        """
        _check(sign_in, address)
        try:
            atomic_files.hand_over(self._callback(sign_in), address)
        except FileExistsError:
            raise SignInRefused("This sign-in is being finished already.") from None
        until = time.monotonic() + EXCHANGE_SECONDS
        while time.monotonic() < until:
            found = self.get(sign_in.id)
            if found is None or found.outcome:
                return found or sign_in
            gevent.sleep(POLL_SECONDS)
        self._callback(sign_in).unlink(missing_ok=True)
        raise SignInRefused("Claude no longer waits for this sign-in. Begin it again.")

    # --- in the worker that has begun it ----------------------------------------------------

    def _hold(self, claude: QueryProcess, chosen: ChosenProject, sign_in: SignIn) -> None:
        """Keep the process until the browser is back, or too late."""
        try:
            while time.time() < sign_in.until and claude.is_running:
                if address := atomic_files.taken(self._callback(sign_in)):
                    self._write(self._exchanged(claude, chosen, sign_in, address))
                    return
                if (now := self.get(sign_in.id)) is None or now.outcome:
                    return  # another worker may have ended it
                gevent.sleep(POLL_SECONDS)
            self._write(replace(sign_in, state="", url="", outcome="It took too long."))
        except OSError:
            log.exception("could not record a sign-in")
        finally:
            claude.close()

    def _exchanged(
        self, claude: QueryProcess, chosen: ChosenProject, sign_in: SignIn, address: str
    ) -> SignIn:
        ended = replace(sign_in, state="", url="")
        try:
            claude.ask(queries.mcp_callback(sign_in.server, address), EXCHANGE_SECONDS)
            with contextlib.suppress(QueryFailed):  # the login is kept all the same
                claude.ask(queries.mcp_reconnect(sign_in.server), CONNECT_SECONDS)
            found = settled(claude, sign_in.server, CONNECT_SECONDS)
            self._checks.keep(chosen, self._servers.all(chosen), found, sign_in.server)
        except QueryFailed as error:
            return replace(ended, outcome=f"{error}.")
        folder = None if sign_in.scope == "user" else chosen.folder
        count = self._connections.reconnect_running(folder, sign_in.server)
        return replace(ended, outcome="done", reconnected=count)

    # --- files ------------------------------------------------------------------------------

    def _path(self, sign_in_id: str) -> Path:
        return self._store / f"{sign_in_id}.json"

    def _callback(self, sign_in: SignIn) -> Path:
        return self._store / f"{sign_in.id}.address"

    def _write(self, sign_in: SignIn) -> None:
        atomic_files.make_folder(self._store)
        SCHEMA.write(self._path(sign_in.id), asdict(sign_in))


def _begun(
    given: Mapping[str, Any], chosen: ChosenProject, scope: str, name: str, redirect: str | None
) -> SignIn:
    """The sign-in that Claude has begun. Raises ServerRefused."""
    url = str(given.get("authUrl") or "")
    if given.get("requiresUserAction") is False or not url:
        raise ServerRefused("Claude says that this server needs no sign-in now. Test it.")
    if not _is_plain(url):
        raise ServerRefused("The server names no address to sign in at.")
    asked = parse_qs(urlsplit(url).query)
    redirect_uri = asked.get("redirect_uri", [""])[0]
    return SignIn(
        id=secrets.token_hex(16),
        server=name,
        scope=scope,
        folder=chosen.reference,
        url=url,
        state=str(given.get("state") or asked.get("state", [""])[0]),
        redirect=redirect_uri,
        is_ours=redirect is not None and redirect_uri == redirect,
        until=time.time() + SECONDS,
    )


def _is_plain(url: str) -> bool:
    """Whether the host of an address is beyond doubt."""
    try:
        parts = urlsplit(url)
        # browsers take a backslash for a slash
        is_odd = "@" in parts.netloc or "\\" in url or not url.isprintable()
        return parts.scheme in ("https", "http") and bool(parts.hostname) and not is_odd
    except ValueError:
        return False


def _check(sign_in: SignIn, address: str) -> None:
    """Raises SignInRefused for an address that does not end this sign-in."""
    if not sign_in.is_open:
        raise SignInRefused("This sign-in is over. Begin it again.")
    try:
        parts = urlsplit(address)
        asked = parse_qs(parts.query)
    except ValueError:
        raise SignInRefused("This is no address.") from None
    if len(address) > _LONGEST or not ({"code", "error"} & asked.keys()):
        raise SignInRefused("Paste the whole address, with “code=” in it.")
    if not _same(asked.get("state", [""])[0], sign_in.state):
        raise SignInRefused("This address belongs to another sign-in.")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
