"""The page that lists the logins, with forms to name one, and to end one or all."""

from __future__ import annotations

from typing import Protocol

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.web.auth.devices import MAX_CHARACTERS, tidy_name
from opcode_htmx.web.auth.logins import How, Login, Logins
from opcode_htmx.web.auth.visitor import current_identity
from opcode_htmx.web.http.flash import flash, flashed, redirect_with_notice

WAYS: dict[How, str] = {
    "password": "with the password",
    "dialog": "in the browser's dialog",
    "code": "by QR code",
    "": "",
}


class Gate(Protocol):
    """The part of Visitors that the page uses."""

    logins: Logins

    def login_id(self) -> str: ...
    def end(self, login_id: str, response: Response) -> None: ...
    def end_all(self, response: Response) -> None: ...


def blueprint(gate: Gate) -> Blueprint:
    """Page `/logins`."""
    logins = Blueprint("logins", __name__, url_prefix="/logins")

    def existing(login_id: str) -> Login:
        login = gate.logins.get(login_id)
        if login is None:
            abort(404, "This login has ended already.")
        return gate.logins.named(login)

    @logins.get("")
    def page() -> str:
        key, name = flashed()
        return render_template(
            "logins.html",
            logins=[gate.logins.named(login) for login in gate.logins.all()],
            current=gate.login_id(),
            ways=WAYS,
            longest=MAX_CHARACTERS,
            notice=key,
            notice_name=tidy_name(name),
        )

    @logins.post("/<login_id>/rename")
    def rename(login_id: str) -> Response:
        login = existing(login_id)
        name = tidy_name(request.form.get("name", ""))
        gate.logins.rename(login_id, "" if name == login.device else name)
        log_act(current_identity(), "login.rename", login=login_id[:8])
        return redirect_with_notice(url_for("logins.page"), "renamed", name or login.device)

    @logins.post("/<login_id>/end")
    def end(login_id: str) -> Response:
        login = existing(login_id)
        is_own = login_id == gate.login_id()
        response = redirect(url_for("access.login" if is_own else "logins.page"), 303)
        gate.end(login_id, response)
        flash(response, "logged_out", "" if is_own else login.shown_name)
        return response

    @logins.post("/end-all")
    def end_all() -> Response:
        response = redirect(url_for("access.login"), 303)
        gate.end_all(response)
        flash(response, "all_logged_out")
        return response

    return logins
