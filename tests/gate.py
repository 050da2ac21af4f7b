"""The gate in front of an app of a test's own, with its state in a folder."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.web.access import Access
from opcode_htmx.web.logins import Logins
from opcode_htmx.web.throttle import Throttle
from opcode_htmx.web.tokens import Tokens

KEY = b"k" * 32
DAY = 86400.0


def access(
    state: Path, user: str, password: str, key: bytes = KEY, **allowed: tuple[str, ...]
) -> Access:
    state.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(key, user, password)
    logins = Logins(state / "logins", tokens.credentials, 90 * DAY, 30 * DAY)
    throttle = Throttle(state / "login_failures", logins.networks)
    return Access(user, password, tokens, logins, throttle, **allowed)
