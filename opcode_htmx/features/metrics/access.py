"""Who may read the metrics: programs with the token or, without one, programs on this machine.

A login does not help, and none is needed: a scraper has no browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from werkzeug.datastructures import Headers

from opcode_htmx.config.declarations import FeatureSettings, Parser, setting
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.web.auth.tokens import equal
from opcode_htmx.web.origin.hosts import ip_of

SHORTEST = 16
"""Characters of a token: shorter ones could be guessed, as no attempt is slowed down."""
_TOKEN = late_pattern(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""What may follow `Bearer` (RFC 6750)."""
_PROXY_HEADERS = ("Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip")
_PROXY_PREFIXES = ("x-forwarded-", "cf-", "tailscale-")

LOCAL_ONLY = (
    "The metrics are shown to programs on this machine only, which ask without a proxy. "
    "To read them from elsewhere, set OPCODE_METRICS_TOKEN.\n"
)
UNAUTHENTICATED = "Send the token of OPCODE_METRICS_TOKEN: Authorization: Bearer <token>.\n"


def _check(token: str) -> str:
    if token and (len(token) < SHORTEST or not _TOKEN.fullmatch(token)):
        raise ValueError(
            f"needs {SHORTEST} characters or more, each a letter, a digit or one of -._~+/"
        )
    return token


class MetricsSettings(FeatureSettings):
    """Reads OPCODE_METRICS_TOKEN."""

    token: Annotated[str, Parser(_check)] = setting(
        "",
        "The token that `/metrics` asks for, of 16 characters at least, sent as `Authorization: "
        "Bearer`. Without one, only programs on this machine get an answer.",
        secret=True,
    )


def refusal(token: str, peer: str, headers: Headers) -> tuple[int, str] | None:
    """The status and the sentence for a request that may not read; None for one that may."""
    if not token:
        return None if _is_local(peer, headers.keys()) else (404, LOCAL_ONLY)
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and equal(given.strip(), token):
        return None
    return 401, UNAUTHENTICATED


def _is_local(peer: str, names: Iterable[str]) -> bool:
    """Whether a program on this machine asks by itself: a proxy asks for somebody else."""
    address = ip_of(peer)
    if address is None or not address.is_loopback:  # none: a socket file, which proxies use
        return False
    proxied = {name.lower() for name in _PROXY_HEADERS}
    return not any(
        name.lower() in proxied or name.lower().startswith(_PROXY_PREFIXES) for name in names
    )
