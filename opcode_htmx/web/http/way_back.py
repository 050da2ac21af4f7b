"""The way back from a session's page: the list that the person came from, and where it is unknown.

Read from the Referer, which browsers send between our pages only, so that addresses can be shared.
A form of the page itself leads back to it; a cookie for its path remembers the list meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException

from opcode_htmx.web.origin import hosts
from opcode_htmx.web.server import url_rules
from opcode_htmx.web.server.base_path import inner_path, own_path

F = TypeVar("F", bound=Callable[..., Any])

COOKIE = "came_from"
KEPT_SECONDS = 24 * 3600
LONGEST = 1000
"""Characters of an address; a longer one is not kept."""


class WayBack(NamedTuple):
    """A link to a list: its address on this server, and its label."""

    address: str
    label: str


def lists_sessions(label: str) -> Callable[[F], F]:
    """Mark a view as a list that sessions are opened from; `label` names the link back to it."""

    def mark(view: F) -> F:
        view.way_back = label  # type: ignore[attr-defined]
        return view

    return mark


def way_back() -> WayBack | None:
    """The list from which the person came to the requested page of a session; None if unknown."""
    referer = _split(request.headers.get("Referer", ""))
    if referer is None or not hosts.same_origin(
        f"{referer.scheme}://{referer.netloc}", request.environ.get("HTTP_HOST", "")
    ):
        return None
    before = f"{referer.path}?{referer.query}".rstrip("?")
    if not _is_of_page(unquote(referer.path)):
        return list_at(before)
    # Loaded again, after a form of its own, or from a page below it: a search leads back to itself
    # from its results only.
    found = list_at(before) if "from" in request.args else None
    return found or list_at(unquote(request.cookies.get(COOKIE, "")))


def remember(response: Response, way: WayBack | None) -> None:
    """Keep the way back for the time when the requested page is loaded from itself."""
    if way and _is_of_page(unquote(way.address.partition("?")[0])):
        return
    value = quote(way.address, safe="") if way else ""
    if value != request.cookies.get(COOKIE, ""):
        response.set_cookie(
            COOKIE,
            value,
            max_age=KEPT_SECONDS if way else 0,
            path=quote(own_path()),
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )


def _is_of_page(path: str) -> bool:
    """Whether this is the requested page, or one below it."""
    return f"{path}/".startswith(f"{own_path()}/")


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None


def list_at(address: str) -> WayBack | None:
    """The list at a path and query of this server; None if that is no list."""
    parts = _split(address)
    if parts is None or parts.scheme or parts.netloc:
        return None
    if len(address) > LONGEST or not address.isprintable():
        return None
    path = inner_path(unquote(parts.path))
    if path is None:
        return None
    try:
        endpoint, _ = url_rules.route_at(current_app.url_map, path, "GET")
    except HTTPException:  # a redirect is one as well
        return None
    label = getattr(current_app.view_functions[endpoint], "way_back", "")
    return WayBack(address, label) if label else None
