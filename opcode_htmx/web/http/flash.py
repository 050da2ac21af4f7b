"""A notice that the next page shows once, such as "“Phone” was logged out.".

It is kept in a cookie of half a minute, because the redirect between the two pages should have a
clean address. Only a key and a short text are in it: pages have the sentences.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from flask import after_this_request, redirect, request
from werkzeug.wrappers import Response

from opcode_htmx.web.server.base_path import cookie_name, cookie_path

_SECONDS = 30
_LONGEST = 400


def flash(response: Response, key: str, text: str = "") -> None:
    """Have the page that the browser opens next show a notice."""
    response.set_cookie(
        _name(),
        quote(f"{key} {text}", safe=""),
        max_age=_SECONDS,
        path=cookie_path(),
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
    )


def redirect_with_notice(address: str, key: str, text: str = "") -> Response:
    """Answer a form with a redirect (303) to a page that shows a notice."""
    response = redirect(address, 303)
    flash(response, key, text)
    return response


def flashed() -> tuple[str, str]:
    """The key and the text of the notice for this page, which are shown once; empty without one.

    Another server on this machine may have written them: a page shows the text as that of a
    stranger.
    """
    value = request.cookies.get(_name(), "")[:_LONGEST]
    if not value:
        return "", ""

    @after_this_request
    def forget(response: Response) -> Response:
        response.delete_cookie(
            _name(),
            path=cookie_path(),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return response

    key, _, text = unquote(value).partition(" ")
    return key, text


def _name() -> str:
    return cookie_name("opcode_notice")
