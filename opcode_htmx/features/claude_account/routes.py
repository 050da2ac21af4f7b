"""The page of the account and the installations, with its forms."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.claude_account.account import Account
from opcode_htmx.features.claude_account.logins import LoginRefused, Logins
from opcode_htmx.features.claude_account.versions import VersionRefused, Versions
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice


def blueprint(account: Account, logins: Logins, versions: Versions) -> Blueprint:
    pages = Blueprint("claude_account", __name__)

    @pages.get("/claude/account")
    def page() -> str:
        return account_page()

    @pages.get("/claude/account/login")
    def login() -> str | BaseResponse:
        current = logins.current()
        if current is None or not current.is_open:
            return redirect(url_for(".page"), 303)
        return login_page()

    @pages.post("/claude/account/login")
    def begin() -> BaseResponse | tuple[str, int]:
        try:
            logins.begin(request.form.get("with") != "console", current_identity())
        except LoginRefused as error:
            return account_page(str(error)), 422
        return redirect(url_for(".login"), 303)

    @pages.post("/claude/account/login/<login_id>")
    def finish(login_id: str) -> BaseResponse | tuple[str, int]:
        if request.form.get("act") == "cancel":
            logins.cancel(login_id)
            return redirect(url_for(".page"), 303)
        try:
            logins.finish(login_id, request.form.get("code", "")[:4000])
        except LoginRefused as error:
            current = logins.current()
            if current and current.is_open and current.id == login_id:
                return login_page(str(error)), 422
            return account_page(str(error)), 422
        return redirect_with_notice(url_for(".page"), "logged-in")

    @pages.post("/claude/account/logout")
    def log_out() -> BaseResponse:
        act = account.log_out(url_for(".page"), current_identity())
        return redirect(url_for("claude.act", act_id=act.id), 303)

    @pages.post("/claude/account/version")
    def choose() -> BaseResponse | tuple[str, int]:
        path = request.form.get("path", "")
        try:
            if request.form.get("act") == "update":
                act = versions.update(path, url_for(".page"), current_identity())
                return redirect(url_for("claude.act", act_id=act.id), 303)
            is_starting = versions.choose(path, current_identity())
        except VersionRefused as error:
            return account_page(str(error)), 422
        return redirect_with_notice(
            url_for(".page"), "version-soon" if is_starting else "version-later"
        )

    def account_page(error: str = "") -> str:
        current = logins.current()
        return render_template(
            "claude_account/account.html",
            account=account.view(),
            login=current if current and current.is_open else None,
            versions=versions.all(),
            is_fixed=versions.is_fixed,
            is_waiting=versions.is_waiting,
            error=error,
            notice=flashed(),
        )

    def login_page(error: str = "") -> str:
        return render_template("claude_account/login.html", login=logins.current(), error=error)

    return pages
