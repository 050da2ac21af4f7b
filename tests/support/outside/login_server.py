"""A proxy on loopback that stands in for Anthropic's log-in; the real CLI logs in at it.

The CLI exchanges codes with fixed hosts only.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.outside.tls_proxy import Asked, TlsProxy, serving

CODE = "good-code"
"""The code that is accepted."""
HOSTS = ("platform.claude.com", "api.anthropic.com")
_ACCOUNT = {"uuid": "11111111-1111-4111-8111-111111111111", "email": "ann@example.org"}
_ORGANIZATION = {"uuid": "22222222-2222-4222-8222-222222222222", "name": "Orchard"}
_ANSWERS: dict[str, dict[str, Any]] = {
    "POST /v1/oauth/token": {
        "access_token": "at-t0p-secret",
        "refresh_token": "rt-t0p-secret",
        "expires_in": 28800,
        "scope": "user:profile user:inference",
        "token_type": "Bearer",
        "account": {"uuid": _ACCOUNT["uuid"], "email_address": _ACCOUNT["email"]},
        "organization": _ORGANIZATION,
    },
    "POST /v1/oauth/token/revoke": {},
    "GET /api/oauth/profile": {
        "account": {**_ACCOUNT, "display_name": "Ann", "has_claude_max": True},
        "organization": {**_ORGANIZATION, "organization_type": "claude_max"},
    },
    "GET /api/oauth/claude_cli/roles": {"organization_name": _ORGANIZATION["name"]},
}


class LoginServer:
    """The proxy; `requests` are those it got, such as `POST /v1/oauth/token`."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the certificates."""
        self.requests: list[str] = []
        self.proxy = TlsProxy(folder, HOSTS, self._answer)

    @property
    def variables(self) -> dict[str, str]:
        """The environment that sends a CLI here."""
        authority = str(self.proxy.authority)
        return {"HTTPS_PROXY": self.proxy.address, "NODE_EXTRA_CA_CERTS": authority}

    def _answer(self, asked: Asked) -> tuple[str, bytes]:
        request = f"{asked.method} {asked.path}"
        self.requests.append(request)
        answer = _ANSWERS.get(request)
        if request == "POST /v1/oauth/token" and json.loads(asked.body).get("code") != CODE:
            answer = None
        content = json.dumps({"error": "invalid_grant"} if answer is None else answer).encode()
        return "400 Bad Request" if answer is None else "200 OK", content


@contextlib.contextmanager
def login_server(folder: Path) -> Iterator[LoginServer]:
    server = LoginServer(folder)
    with serving(server.proxy):
        yield server
