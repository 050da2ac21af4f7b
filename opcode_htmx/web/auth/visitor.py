"""The sender of the current request, once gate.py has found who that is."""

from __future__ import annotations

from typing import Literal

from flask import g, request
from werkzeug.exceptions import Forbidden

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import OWNER, Identity
from opcode_htmx.web.auth.logins import Login


@dataclass(slots=True)
class Visitor:
    """An authenticated person or program. By Basic, `login` is None until it is needed."""

    by: Literal["cookie", "basic"]
    identity: Identity
    login: Login | None = None
    cookie: str = ""
    """The value of the login's cookie, once a login by Basic is there."""


def is_websocket() -> bool:
    """Whether the current request is a WebSocket handshake."""
    upgrade: str = request.environ.get("HTTP_UPGRADE", "")
    return request.method == "GET" and upgrade.lower() == "websocket"


def login_id() -> str:
    """The id of the login of the current request; empty without one."""
    found = visitor()
    return found.login.id if found and found.login else ""


def current_identity() -> Identity:
    """The identity of the sender of the current request, or of the opener of the current socket.

    Raises RuntimeError for unauthenticated requests: public addresses perform no actions.
    """
    found = visitor()
    if found is None:
        raise RuntimeError("This request is not authenticated.")
    return found.identity


def require_owner(what: str) -> None:
    """Refuse the current request unless its sender is the owner; `what` is what only they may do.

    Raises Forbidden, and RuntimeError for unauthenticated requests.
    """
    if OWNER not in current_identity().roles:
        raise Forbidden(f"Only the owner of this server may {what}.")


def visitor() -> Visitor | None:
    """The sender of the current request; None if it is not authenticated."""
    found: Visitor | None = g.get("visitor")
    return found
