"""The login page and the logout; gate.py decides about access."""

from __future__ import annotations

import re
from typing import Protocol

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

# Browsers read "//x" and "/\x" as another host, and drop tabs and newlines on the way.
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")


class Gate(Protocol):
    """The part of Visitors that the pages use."""

    def check_rate_limit(self) -> None: ...
    def attempt(self, user: str, password: str) -> bool: ...
    def cookie_visitor(self) -> object | None: ...
    def log_in(self, response: Response) -> None: ...
    def log_out(self, response: Response) -> None: ...


def blueprint(gate: Gate) -> Blueprint:
    """Pages `/login` and `/logout`."""
    pages = Blueprint("access", __name__)

    @pages.get("/login")
    def login() -> Response | str:
        target = local_path(request.args.get("next"))
        # A link from another site carries no SameSite cookie, so it leads here even with a login.
        if gate.cookie_visitor():
            return redirect(target, 303)
        return render_template("login.html", next=target)

    @pages.post("/login")
    def log_in() -> Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
        target = local_path(request.args.get("next"))
        user = ""
        try:
            gate.check_rate_limit()  # before any of the body is read
            target = local_path(request.args.get("next") or request.form.get("next"))
            user = request.form.get("user", "")
            is_right = gate.attempt(user, request.form.get("password", ""))
        except TooManyRequests as error:
            sentence = error.description
            page = render_template("login.html", next=target, user=user, error=sentence)
            return page, 429, {"Retry-After": str(error.retry_after)}
        if not is_right:
            sentence = "That user and password do not match."
            return render_template("login.html", next=target, user=user, error=sentence), 401
        response = redirect(target, 303)
        gate.log_in(response)
        return response

    @pages.post("/logout")
    def logout() -> Response:
        response = redirect(url_for("access.login"), 303)
        gate.log_out(response)
        return response

    return pages


def local_path(target: str | None) -> str:
    """`target` if it is a path on this server, else `/`."""
    return target if target and _LOCAL_PATH.fullmatch(target) else "/"
