"""Pairing codes: secrets that log in one device, once, within two minutes.

The secret is in the link of a QR code, behind `#`, so that no browser sends it in an address. Of a
code only the hash is kept, as the name of a file: `<hash>.json`, and once it has been redeemed
`<hash>.used`. All workers and the command line share the folder. Removing the file redeems the
code, which only one process can do. Does not depend on HTTP, nor on gevent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.web.auth.tokens import digest

log = logging.getLogger(__name__)

TERMINAL = "terminal"
"""The maker of codes that the command line prints."""
LIFETIME = 120.0
"""Seconds for which a code is valid."""
MOST_CODES = 20
"""Valid codes at once; the oldest beyond it are revoked."""

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""No character that looks like another one."""
_LENGTH = 28  # of 31 letters: 138 bits
_GROUP = 4
_KEPT = 600.0
"""Seconds for which a redeemed code is remembered."""
_LONGEST = 4096
"""Bytes of a file."""
_MAX_TYPED = 500
"""Characters that are looked at; a pasted link is shorter."""
_CLOCK_SLACK = 5.0
_ID = late_pattern(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PairingCode:
    """A code without its secret. `by` is the id of the login that made it, or what else did."""

    id: str
    by: str
    created: float
    expires: float


@dataclass(frozen=True, slots=True)
class PairingState:
    """What has become of a code; `device` is the name of the device that it has logged in."""

    kind: Literal["waiting", "used", "over"]
    device: str = ""


class PairingCodes:
    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def create(self, by: str = TERMINAL) -> tuple[str, PairingCode]:
        """A new secret and its code. It replaces the earlier code of the same login.

        `by` is the id of a login, TERMINAL, or another word. Raises OSError.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._clean_up(by)
        secret = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        now = self._clock()
        code = PairingCode(digest(secret), by, now, now + LIFETIME)
        content = {"version": 1, "by": by, "created": code.created, "expires": code.expires}
        self._write(self._path(code.id), content)
        return secret, code

    def redeem(self, typed: str) -> PairingCode | None:
        """The code of a secret, or of a link with one; None if it is not valid (any more).

        Of all callers in all processes one gets it. Raises OSError.
        """
        code = self._read(digest(_secret_in(typed)))
        if code is None:
            return None
        try:
            self._path(code.id).unlink()
        except FileNotFoundError:  # somebody else was faster
            return None
        # A clock that was set back must not prolong the life of a code
        is_valid = code.created - _CLOCK_SLACK <= self._clock() < code.expires
        return code if is_valid else None

    def record_use(self, code: PairingCode, device: str) -> None:
        """Remember the device that a redeemed code has logged in, for the page that shows it."""
        try:
            self._write(self._path(code.id, "used"), {"version": 1, "device": device})
        except OSError as error:
            log.warning("could not record the use of a pairing code: %s", error)

    def state(self, code_id: str) -> PairingState:
        """What has become of a code. Raises nothing: an unknown one is over."""
        if not _ID.fullmatch(code_id):
            return PairingState("over")
        code = self._read(code_id)
        if code and self._clock() < code.expires:
            return PairingState("waiting")
        device = self._load(self._path(code_id, "used")).get("device")
        return PairingState("used", device) if isinstance(device, str) else PairingState("over")

    def revoke_all(self) -> None:
        """Revoke every code. Raises OSError."""
        for path in self._files("json"):
            path.unlink(missing_ok=True)

    def _clean_up(self, by: str) -> None:
        """Remove what has expired, the codes of this login, and the oldest beyond the limit."""
        now = self._clock()
        valid: list[PairingCode] = []
        for path in self._files("json"):
            code = self._read(path.stem)
            if code and now < code.expires and code.by != by:
                valid.append(code)
            else:
                path.unlink(missing_ok=True)
        valid.sort(key=lambda code: code.created)
        for code in valid[: max(0, len(valid) - MOST_CODES + 1)]:
            self._path(code.id).unlink(missing_ok=True)
        for path in self._files("used"):
            with contextlib.suppress(FileNotFoundError):
                if abs(now - path.stat().st_mtime) > _KEPT:
                    path.unlink()

    def _read(self, code_id: str) -> PairingCode | None:
        content = self._load(self._path(code_id))
        by, created, expires = (content.get(name) for name in ("by", "created", "expires"))
        if not (
            isinstance(by, str)
            and isinstance(created, int | float)
            and isinstance(expires, int | float)
        ):
            return None
        return PairingCode(code_id, by, float(created), float(expires))

    def _load(self, path: Path) -> dict[str, Any]:
        """The object in a file; empty if it is missing or damaged."""
        try:
            with path.open("rb") as file:
                content = bounded_json.loads(file.read(_LONGEST))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) and content.get("version") == 1 else {}

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        """Write a new private file. It need not survive a power failure."""
        data = json.dumps(content).encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)

    def _files(self, suffix: str) -> list[Path]:
        found = self._folder.glob(f"*.{suffix}")
        return [path for path in found if _ID.fullmatch(path.stem)]

    def _path(self, code_id: str, suffix: str = "json") -> Path:
        return self._folder / f"{code_id}.{suffix}"


def grouped(secret: str) -> str:
    """A secret as people type it: `abcd-efgh-…`."""
    return "-".join(secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP))


def _secret_in(typed: str) -> str:
    """The secret in what somebody typed or pasted: a link, capital letters and dashes are fine."""
    text = typed[:_MAX_TYPED].rpartition("#")[2].lower()
    return "".join(each for each in text if each in _LETTERS)
