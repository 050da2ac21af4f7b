"""The page of ours that sent a request, by its Referer, which browsers send between our pages."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

from flask import current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from opcode_htmx.web.server.base_path import inner_path, start_page
from opcode_htmx.web.server.url_rules import route_at


def sending_page() -> str:
    """The path and the query of our page that sent the request; else those of the first page.

    Also for a page that answered a form, at an address without GET: a link cannot lead there.
    """
    page = split_referrer()
    if not page.path or not _is_opened_by_links(page.path):
        return start_page()
    return page._replace(scheme="", netloc="").geturl()


def _is_opened_by_links(path: str) -> bool:
    try:
        route_at(current_app.url_map, inner_path(unquote(path)) or "/", "GET")
    except MethodNotAllowed:
        return False
    except HTTPException:  # such as a redirect
        return True
    return True


def split_referrer() -> SplitResult:
    """The address of our page that sent the request; an empty one if there was none."""
    none = urlsplit("")
    try:
        referrer = urlsplit(request.referrer or "")
    except ValueError:
        return none
    ours = referrer.netloc == request.host and referrer.path.startswith("/")
    return referrer if ours and not referrer.path.startswith("//") else none
