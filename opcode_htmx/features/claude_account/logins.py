"""Log in to Claude with a browser that is on another device.

A Claude without a session holds the log-in open, in the worker that began it; it holds a lock for
as long, so there is one at a time. Any worker may get the code: it leaves it in a file, and the
first worker hands it to Claude. The code is good for one use, and the file is gone at once.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent

from opcode_htmx.engines.base import CapabilityCodec, Launcher, QueryOptions
from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.queries.query_process import QueryFailed, QueryProcess
from opcode_htmx.web.server import reload

FOLDER = "claude_login"
"""Its name in the state folder."""
SECONDS = 600.0
"""For which the browser may be away."""
EXCHANGE_SECONDS = 60.0
"""Within which Claude exchanges the code for a login."""
POLL_SECONDS = 0.1
_CODE = late_pattern(r"[A-Za-z0-9_.~/+=-]{8,2000}", re.ASCII)

log = logging.getLogger(__name__)


class LoginRefused(Exception):
    """A log-in that cannot begin, or a code that ends none; the text says why."""


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in; `outcome` is empty while it is open, "done" after its success, else a sentence."""

    id: str
    is_subscription: bool
    url: str
    """Where the person logs in, and gets a code."""
    state: str
    """Identifies it; the code ends with it."""
    until: float
    outcome: str = ""

    @property
    def is_open(self) -> bool:
        return not self.outcome and time.time() < self.until

    @property
    def is_done(self) -> bool:
        return self.outcome == "done"

    @property
    def problem(self) -> str:
        """Why it has failed; empty if it has not."""
        if self.is_open or self.is_done:
            return ""
        return self.outcome or "It took too long. Begin again."


def _parse(content: Mapping[str, Any]) -> Login:
    return Login(**{name: content[name] for name in Login.__slots__})


SCHEMA = JsonFileSchema(1, _parse)


class Logins:
    """The log-in that is open, or was the last one."""

    def __init__(
        self,
        store: Path,
        launcher: Launcher,
        codec: CapabilityCodec,
        empty_folder: Path,
        *,
        is_demo: bool,
    ) -> None:
        """`is_demo`: the sessions are those of the demo, because Claude is not logged in."""
        self._store = store
        self._launcher = launcher
        self._codec = codec
        self._empty_folder = empty_folder
        self._is_demo = is_demo
        self._holding: set[gevent.Greenlet[..., None]] = set()

    def close(self) -> None:
        """End what this worker holds open."""
        gevent.killall(list(self._holding))

    def current(self) -> Login | None:
        """The last one that has begun."""
        return SCHEMA.read(self._file)

    def begin(self, is_subscription: bool, by: Identity) -> Login:
        """Begin one, with a subscription or the API's account. Raises LoginRefused."""
        for folder in (self._store, self._empty_folder):
            atomic_files.make_folder(folder)
        lock = file_locks.take(self._store / "lock")
        if lock is None:
            raise LoginRefused("A log-in is open already: finish or cancel it first.")
        try:
            for path in (self._code_file, self._cancel_file):
                path.unlink(missing_ok=True)
            claude, login = self._begun(is_subscription)
        except BaseException:
            os.close(lock)
            raise
        claude.hold()
        log_act(by, "claude.log_in")
        holding = gevent.spawn(self._hold, claude, login, lock)
        self._holding.add(holding)
        holding.link(self._holding.discard)
        return login

    def finish(self, login_id: str, text: str) -> Login:
        """Hand in the code that the person has got, and wait for the success.

        The server then starts again without the demo, if there is one. Raises LoginRefused.
        """
        login = self.current()
        if login is None or login.id != login_id or not login.is_open:
            raise LoginRefused("This log-in is over. Begin again.")
        code = checked_code(text, login)
        try:
            atomic_files.hand_over(self._code_file, code)
        except FileExistsError:
            raise LoginRefused("A code is being tried already.") from None
        ended = self._awaited(login, EXCHANGE_SECONDS + 2)
        if not ended.is_done:
            raise LoginRefused(ended.problem or "This log-in is over. Begin again.")
        if self._is_demo:
            reload.reload()  # without the demo
        return ended

    def cancel(self, login_id: str) -> None:
        """End an open one; nothing happens if it is over."""
        login = self.current()
        if login and login.id == login_id and login.is_open:
            self._cancel_file.touch(mode=0o600)
            self._awaited(login, 5.0)

    def _awaited(self, login: Login, seconds: float) -> Login:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.current()
            if found is None or found.id != login.id or found.outcome:
                return found or login
            gevent.sleep(POLL_SECONDS)
        # the worker that held it is gone
        self._code_file.unlink(missing_ok=True)
        ended = replace(login, state="", url="", outcome="It was interrupted. Begin again.")
        SCHEMA.write(self._file, asdict(ended))
        return ended

    # --- in the worker that has begun it ----------------------------------------------------

    def _begun(self, is_subscription: bool) -> tuple[QueryProcess, Login]:
        """Raises LoginRefused."""
        command = self._launcher.query(QueryOptions(project_settings=False))
        try:
            claude = QueryProcess(command, self._codec, self._empty_folder)
        except QueryFailed as error:
            raise LoginRefused(f"Claude could not be asked: {error}.") from None
        try:
            claude.initialize()
            fields = {"loginWithClaudeAi": is_subscription}
            answer = claude.ask(Query("claude_authenticate", fields))
            login = _login_at(as_str(answer.get("manualUrl")), is_subscription)
            SCHEMA.write(self._file, asdict(login))
        except QueryFailed as error:
            claude.close()
            raise LoginRefused(f"Claude could not begin: {error}.") from None
        except BaseException:
            claude.close()
            raise
        return claude, login

    def _hold(self, claude: QueryProcess, login: Login, lock: int) -> None:
        """Keep the process until there is a code, or it is too late."""
        ended = replace(login, state="", url="")
        try:
            while time.time() < login.until and claude.is_running:
                if self._cancel_file.exists():
                    outcome = "It was cancelled."
                    break
                if code := atomic_files.taken(self._code_file):
                    outcome = _exchanged(claude, login, code)
                    break
                gevent.sleep(POLL_SECONDS)
            else:
                outcome = "It took too long. Begin again."
            claude.close()  # before another log-in may begin
            os.close(lock)
            lock = -1
            SCHEMA.write(self._file, asdict(replace(ended, outcome=outcome)))
        except OSError:
            log.exception("could not record a log-in to Claude")
        finally:
            if lock >= 0:
                os.close(lock)
            claude.close()

    @property
    def _file(self) -> Path:
        return self._store / "login.json"

    @property
    def _code_file(self) -> Path:
        return self._store / "code"

    @property
    def _cancel_file(self) -> Path:
        return self._store / "cancel"


def checked_code(text: str, login: Login) -> str:
    """The code in what was typed, `code#state`. Raises LoginRefused.

    Claude does not compare the state, so it is done here: a code of somebody else's log-in would
    log this computer in to their account.
    """
    code, mark, state = "".join(text.split()).partition("#")
    if not mark or not _CODE.fullmatch(code):
        raise LoginRefused("Copy the whole code, with the part after the “#”.")
    given = state.encode("utf-8", "replace")
    if not login.state or not hmac.compare_digest(given, login.state.encode()):
        raise LoginRefused("This code belongs to another log-in. Use the link on this page.")
    return code


def _login_at(url: str, is_subscription: bool) -> Login:
    """Raises LoginRefused for an address that is none."""
    try:
        parts = urlsplit(url)
        state = parse_qs(parts.query).get("state", [""])[0]
    except ValueError:
        parts, state = urlsplit(""), ""
    if parts.scheme != "https" or not parts.hostname or not state:
        raise LoginRefused("This version of Claude names no page to log in at.")
    until = time.time() + SECONDS
    return Login(secrets.token_hex(16), is_subscription, url, state, until)


def _exchanged(claude: QueryProcess, login: Login, code: str) -> str:
    """Hand the code to Claude; the outcome."""
    query = Query("claude_oauth_callback", {"authorizationCode": code, "state": login.state})
    try:
        claude.ask(query, EXCHANGE_SECONDS)
    except QueryFailed as error:
        said = str(error)
        if any(word in said for word in ("ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "EAI_AGAIN")):
            return "Claude could not reach Anthropic from this computer. Begin again."
        with contextlib.suppress(ValueError):
            said = said.replace(code, "the code")
        return f"The code was not accepted ({said[:200]}). Begin again."
    return "done"
