"""The gate in front of an app of a test's own, with its state in a folder."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.web.auth.gate import AuthGate
from opcode_htmx.web.auth.login import DEFAULT_HINTS, LoginHints
from opcode_htmx.web.auth.logins import Logins
from opcode_htmx.web.auth.pairing import PairingCodes
from opcode_htmx.web.auth.rate_limit import RateLimiter
from opcode_htmx.web.auth.tokens import Tokens
from opcode_htmx.web.auth.visitors import LOGINS, REFUSED, Visitors
from opcode_htmx.web.origin.sources import Sources

KEY = b"k" * 32
DAY = 86400.0
FOREIGN_SOURCES = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://192.168.1.5:9"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
"""The headers of requests that pages of other sites make to http://192.168.1.5:8080."""


def access(
    state: Path,
    user: str,
    password: str,
    key: bytes = KEY,
    hints: LoginHints = DEFAULT_HINTS,
    **allowed: tuple[str, ...],
) -> tuple[AuthGate, Logins]:
    """The gate, and the logins that it keeps."""
    state.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(key, user, password)
    logins = Logins(state / "logins", lambda: tokens.credentials, 90 * DAY, 30 * DAY)
    limiter = RateLimiter(state / "login_failures", logins.networks)
    codes = PairingCodes(state / "pairing")
    metrics = MetricStore(state / "metrics", (LOGINS, REFUSED))
    visitors = Visitors(user, password, tokens, logins, codes, limiter, metrics)
    return AuthGate(visitors, Sources(**allowed), hints), logins
