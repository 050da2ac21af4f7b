"""The page that a QR code leads to: log in this device by a pairing code, without a password.

The code is behind `#` in the link, so only the page's script sees it, and puts it into the form. A
GET redeems nothing: it may come from a prefetch or the preview of a link.
"""

from __future__ import annotations

from typing import Protocol

from flask import Blueprint, redirect, render_template, request
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from opcode_htmx.web.auth.devices import MAX_CHARACTERS, tidy_name
from opcode_htmx.web.auth.pairing import PairingCode
from opcode_htmx.web.server.base_path import start_page

_NOT_VALID = (
    "That code is not valid any more: a code works once, and for two minutes. Show a new one and "
    "scan it again."
)


class Gate(Protocol):
    """The part of Visitors that the page uses."""

    def check_rate_limit(self) -> None: ...
    def redeem(self, typed: str) -> PairingCode | None: ...
    def cookie_visitor(self) -> object | None: ...
    def device(self) -> str: ...
    def log_in(
        self, response: Response, name: str = "", code: PairingCode | None = None
    ) -> None: ...


def blueprint(gate: Gate) -> Blueprint:
    """Page `/pair`."""
    pages = Blueprint("pairing", __name__)

    def form(name: str = "", error: str = "") -> str:
        return render_template(
            "pair.html",
            device=name or gate.device(),
            longest=MAX_CHARACTERS,
            is_logged_in=gate.cookie_visitor() is not None,
            error=error,
        )

    @pages.get("/pair")
    def page() -> str:
        return form()

    @pages.post("/pair")
    def pair() -> Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
        name = ""
        try:
            gate.check_rate_limit()  # before any of the body is read
            name = tidy_name(request.form.get("name", ""))
            code = gate.redeem(request.form.get("code", ""))
        except TooManyRequests as error:
            page = form(name, error.description or "")
            return page, 429, {"Retry-After": str(error.retry_after)}
        if code is None:
            return form(name, _NOT_VALID), 401
        response = redirect(start_page(), 303)
        gate.log_in(response, name, code)
        return response

    return pages
