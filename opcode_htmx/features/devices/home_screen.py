"""The notice on the first page: how to put the app on the home screen, until it is dismissed.

A cookie remembers that it was, in each browser: a home screen is one of a device.
"""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from opcode_htmx.web.server.base_path import cookie_name, cookie_path, start_page

_SECONDS = 400 * 86400
"""The longest that browsers keep a cookie."""

System = Literal["ios", "android", ""]


def blueprint() -> Blueprint:
    """The template global `home_screen_notice()`, and the form that dismisses the notice."""
    pages = Blueprint("home_screen", __name__)

    @pages.app_template_global("home_screen_notice")
    def notice() -> System:
        """The phone's system whose notice this request is to be shown; empty for none."""
        if _name() in request.cookies:
            return ""
        return system(request.headers.get("User-Agent", ""))

    @pages.post("/home-screen")
    def dismiss() -> Response:
        response = redirect(start_page(), 303)
        response.set_cookie(
            _name(),
            "seen",
            max_age=_SECONDS,
            path=cookie_path(),
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
        return response

    return pages


def system(user_agent: str) -> System:
    """Which of the systems with a home screen a browser is on."""
    if "iPhone" in user_agent or "iPad" in user_agent:
        return "ios"
    return "android" if "Android" in user_agent else ""


def _name() -> str:
    return cookie_name("opcode_home_screen")
