"""Store each login in a small file of the state folder, so all workers see a logout immediately.

A login is a file `<id>.json`. It is valid as long as the file is there, neither its lifetime nor
its idle time is over, and user and password are still those it was created with. A file is never
rewritten: its modification time is the last use. So a use that races with a logout cannot restore
the login. For the same reason a name that a person gives it is a file of its own, `<id>.name`.
Does not depend on HTTP.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks, json_files
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.web.auth.rate_limit import network
from opcode_htmx.web.auth.tokens import digest

log = logging.getLogger(__name__)

MAX_LOGINS = 100
"""The number of logins; beyond it the least recently used is ended."""
MAX_BASIC_LOGINS = 20
"""Of these, those by HTTP Basic: a script that changes its user agent each time must not end those
of browsers."""
USE_SECONDS = 600.0
"""The precision of the last use; a write per request would be too much."""

How = Literal["password", "dialog", "code", ""]
"""How a device logged in: by the form, by HTTP Basic, by a pairing code; empty if unrecorded."""
_HOWS: tuple[How, ...] = get_args(How)

_LATEST = 1e11
"""Unix seconds; a later time is invalid."""

_NAME = "name"
"""The suffix of the file with a login's name."""

LOGIN_ID = re.compile(r"[0-9a-f]{32}")
_COOKIE = late_pattern(r"(?P<id>[0-9a-f]{32})\.(?P<token>[0-9A-Za-z_-]{32,64})")


@dataclass(frozen=True, slots=True)
class Login:
    """`created` and `last_used` are Unix seconds; `client` is empty unless it came by Basic."""

    id: str
    token_hash: str
    credentials: str
    created: float
    device: str
    address: str
    client: str = ""
    last_used: float = 0.0
    how: How = ""
    name: str = ""
    """What a person calls it; `named` reads it."""

    @property
    def shown_name(self) -> str:
        return self.name or self.device


class Logins:
    def __init__(
        self,
        folder: Path,
        credentials: Callable[[], str],
        lifetime: float,
        idle: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`credentials` returns the fingerprint of user and password; times are in seconds.

        Raises OSError when the folder cannot be made.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self.lifetime = lifetime
        self._lock = folder.with_suffix(".lock")
        self._credentials = credentials
        self._idle = idle
        self._clock = clock
        self._schema = json_files.JsonFileSchema(1, _parse)
        self._names = json_files.JsonFileSchema(1, lambda content: str(content["name"]))
        self._cache: dict[str, tuple[tuple[int, int, int], Login]] = {}
        """Cached logins, by id, each with the inode, size and change time of its file."""
        self._unsaved: dict[str, Login] = {}
        """Logins that could not be written. They end with this worker."""

    def create(
        self,
        device: str,
        address: str,
        client: str = "",
        token_of: Callable[[str], str] | None = None,
        *,
        how: How = "",
    ) -> tuple[Login, str]:
        """A new login and the value of its cookie; for a `client` with a login, the existing one.

        `token_of` derives the token from the id; by default it is random.
        """
        if token_of and (known := self.of_client(client)):
            return known, f"{known.id}.{token_of(known.id)}"
        with file_locks.held(self._lock):
            if token_of and (known := self.of_client(client)):  # by another request meanwhile
                return known, f"{known.id}.{token_of(known.id)}"
            login_id = secrets.token_hex(16)
            token = token_of(login_id) if token_of else secrets.token_urlsafe(32)
            now = self._clock()
            login = Login(
                login_id, digest(token), self._credentials(), now, device, address, client, now, how
            )
            self._evict(client)
            self._save(login)
        return login, f"{login_id}.{token}"

    def of_cookie(self, value: str) -> Login | None:
        """The login that a cookie proves; None if it has ended or the cookie is not genuine."""
        match = _COOKIE.fullmatch(value)
        if match is None:
            return None
        login = self.get(match["id"])
        if login is None or not hmac.compare_digest(digest(match["token"]), login.token_hash):
            return None
        return login

    def get(self, login_id: str) -> Login | None:
        """A login that is valid now."""
        if not LOGIN_ID.fullmatch(login_id):
            return None
        login = self._unsaved.get(login_id) or self._load(self._path(login_id))
        return login if login and self._is_valid(login) else None

    def of_client(self, client: str) -> Login | None:
        """The login of a client that sends HTTP Basic."""
        return next((each for each in self.all() if client and each.client == client), None)

    def used(self, login: Login) -> None:
        """Record that a login is in use."""
        now = self._clock()
        if abs(now - login.last_used) < USE_SECONDS:
            return
        if login.id in self._unsaved:
            self._unsaved[login.id] = replace(login, last_used=now)
            return
        try:
            os.utime(self._path(login.id), (now, now))
        except FileNotFoundError:
            pass  # it has ended meanwhile
        except OSError:
            log.exception("could not record the last use of login %s", login.id)

    def all(self) -> list[Login]:
        """The logins that are valid now, the one used last first."""
        found = [*self._unsaved.values(), *self._stored()]
        valid = [login for login in found if self._is_valid(login)]
        return sorted(valid, key=lambda login: login.last_used, reverse=True)

    def named(self, login: Login) -> Login:
        """The login with the name that a person has given it, if any."""
        return replace(login, name=self._names.read(self._name_path(login.id)) or "")

    def rename(self, login_id: str, name: str) -> None:
        """Name a login; an empty name takes the earlier one back. Raises OSError."""
        path = self._name_path(login_id)
        if name:
            self._names.write(path, {"name": name})
        else:
            path.unlink(missing_ok=True)

    def networks(self) -> set[str]:
        """The networks that valid logins were made from."""
        return {network(login.address) for login in self.all()}

    def end(self, login_id: str) -> None:
        """End a login, if there is one. Raises OSError when its file cannot be removed."""
        if LOGIN_ID.fullmatch(login_id):
            self._unsaved.pop(login_id, None)
            self._cache.pop(login_id, None)
            self._path(login_id).unlink(missing_ok=True)
            self._name_path(login_id).unlink(missing_ok=True)

    def end_all(self) -> None:
        """End all logins, and those whose files cannot be read. Raises OSError."""
        self._unsaved.clear()
        self._cache.clear()
        for path in [*self._paths(), *self.folder.glob(f"*.{_NAME}")]:
            path.unlink(missing_ok=True)

    def remaining(self, login: Login) -> float:
        """Seconds until the login ends, regardless of its use."""
        return max(0.0, login.created + self.lifetime - self._clock())

    def _is_valid(self, login: Login) -> bool:
        now = self._clock()
        return (
            login.credentials == self._credentials()
            and now < login.created + self.lifetime
            and now < login.last_used + self._idle
        )

    def _evict(self, client: str) -> None:
        """Remove the files of expired logins, and the oldest beyond the two limits.

        `client` is that of the login to be created.
        """
        valid = self.all()
        by_basic = [login for login in valid if login.client][: MAX_BASIC_LOGINS - bool(client)]
        by_form = [login for login in valid if not login.client][: MAX_LOGINS - 1 - len(by_basic)]
        keep = {login.id for login in (*by_basic, *by_form)}
        for login in [*self._stored(), *valid]:
            if login.id not in keep:
                try:
                    self.end(login.id)
                except OSError:
                    log.exception("could not remove the file of login %s", login.id)
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"*.{_NAME}"):  # of logins that ended while being named
                if not self._path(path.stem).exists():
                    path.unlink(missing_ok=True)

    def _save(self, login: Login) -> None:
        content = {
            "token": login.token_hash,
            "credentials": login.credentials,
            "created": login.created,
            "device": login.device,
            "address": login.address,
            "client": login.client,
            "how": login.how,
        }
        try:
            self._schema.write(self._path(login.id), content)
        except OSError as error:
            # A full disk must not lock out the person who wants to free space
            log.warning("could not write login %s, kept in memory only: %s", login.id, error)
            self._unsaved[login.id] = login

    def _load(self, path: Path) -> Login | None:
        try:
            stat = path.stat()
        except OSError:
            self._cache.pop(path.stem, None)
            return None
        version = stat.st_ino, stat.st_size, stat.st_ctime_ns
        read, login = self._cache.get(path.stem, (None, None))
        if login is None or read != version:
            login = self._schema.read(path)
            if login is None:
                return None
            login = replace(login, id=path.stem)
            self._cache[path.stem] = version, login
        return replace(login, last_used=stat.st_mtime)

    def _stored(self) -> Iterator[Login]:
        for path in self._paths():
            if LOGIN_ID.fullmatch(path.stem) and (login := self._load(path)):
                yield login

    def _paths(self) -> list[Path]:
        try:
            return list(self.folder.glob("*.json"))
        except OSError:
            log.exception("could not list the logins")
            return []

    def _path(self, login_id: str) -> Path:
        return self.folder / f"{login_id}.json"

    def _name_path(self, login_id: str) -> Path:
        return self.folder / f"{login_id}.{_NAME}"


def _parse(content: dict[str, Any]) -> Login:
    texts = {
        name: content[name] for name in ("token", "credentials", "device", "address", "client")
    }
    if not all(isinstance(value, str) for value in texts.values()):
        raise TypeError("a member that must be a string is not one")
    created = content["created"]
    if not isinstance(created, int | float) or not 0 <= created < _LATEST:
        raise ValueError("the time of the login is invalid")
    return Login(
        id="",
        token_hash=texts["token"],
        credentials=texts["credentials"],
        created=float(created),
        device=texts["device"][:100],
        address=texts["address"][:100],
        client=texts["client"],
        how=next((each for each in _HOWS if each == content.get("how")), ""),
    )
