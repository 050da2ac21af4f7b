"""The page that lists the logins, with forms to end one or all."""

from __future__ import annotations

from typing import Protocol

from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from opcode_htmx.web.auth.logins import Logins


class Gate(Protocol):
    """The part of Visitors that the page uses."""

    logins: Logins

    def login_id(self) -> str: ...
    def end(self, login_id: str, response: Response) -> None: ...
    def end_all(self, response: Response) -> None: ...


def blueprint(gate: Gate) -> Blueprint:
    """Page `/logins`."""
    logins = Blueprint("logins", __name__, url_prefix="/logins")

    @logins.get("")
    def page() -> str:
        return render_template("logins.html", logins=gate.logins.all(), current=gate.login_id())

    @logins.post("/<login_id>/end")
    def end(login_id: str) -> Response:
        if gate.logins.get(login_id) is None:
            abort(404, "This login has ended already.")
        is_own = login_id == gate.login_id()
        response = redirect(url_for("access.login" if is_own else "logins.page"), 303)
        gate.end(login_id, response)
        return response

    @logins.post("/end-all")
    def end_all() -> Response:
        response = redirect(url_for("access.login"), 303)
        gate.end_all(response)
        return response

    return logins
