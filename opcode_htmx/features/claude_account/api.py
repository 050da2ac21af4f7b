"""/api/account: who is logged in to Claude, logging in and out, as the page shows it."""

from __future__ import annotations

from flask import url_for
from werkzeug.exceptions import NotFound, ServiceUnavailable

from opcode_htmx.features.claude_account import schema
from opcode_htmx.features.claude_account.account import Account
from opcode_htmx.features.claude_account.logins import Login, Logins
from opcode_htmx.sessions.configuration.act_answers import BEGUN, ClaudeAct, described
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Account"
PAGE = "claude_account.page"
LOGIN = "/api/account/login"
NO_LOGIN = {404: "There is no such log-in, or another one has begun since."}


class AccountApi:
    def __init__(self, account: Account, logins: Logins) -> None:
        self._account = account
        self._logins = logins

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/account",
                tag=TAG,
                summary="Who is logged in to Claude, and by what",
                handler=self.account,
                response=schema.ClaudeAccount,
                refusals={503: "Claude could not be asked."},
                acts="pages",
            ),
            Endpoint(
                method="POST",
                path=LOGIN,
                tag=TAG,
                summary="Begin to log in to Claude",
                handler=self.begin,
                response=schema.ClaudeLogin,
                body=schema.NewLogin,
                status=201,
                description="A person logs in at the url, and gets a code. One log-in is open at "
                "a time, for ten minutes.",
            ),
            Endpoint(
                method="GET",
                path=LOGIN,
                tag=TAG,
                summary="The log-in that is open, or was the last one",
                handler=self.login,
                response=schema.ClaudeLogin | None,
                description="Null if none has begun.",
            ),
            Endpoint(
                method="POST",
                path=f"{LOGIN}/{{login_id}}",
                tag=TAG,
                summary="Log in to Claude with the code",
                handler=self.finish,
                response=schema.ClaudeLogin,
                body=schema.LoginCode,
                refusals=NO_LOGIN,
                description="Waits for what Claude makes of the code. A code that is refused ends "
                "the log-in; one that is not whole does not.",
            ),
            Endpoint(
                method="DELETE",
                path=f"{LOGIN}/{{login_id}}",
                tag=TAG,
                summary="Cancel a log-in",
                handler=self.cancel,
                refusals=NO_LOGIN,
                description="Nothing happens if it is over.",
            ),
            Endpoint(
                method="POST",
                path="/api/account/logout",
                tag=TAG,
                summary="Log out of Claude on this computer",
                handler=self.log_out,
                response=ClaudeAct,
                body=schema.LogOut,
                status=202,
                description=f"Running sessions cannot ask Claude any more. {BEGUN}",
            ),
        )

    def account(self) -> schema.ClaudeAccount:
        found = self._account.view()
        if found.problem:
            raise ServiceUnavailable(found.problem)
        return schema.ClaudeAccount(
            is_logged_in=found.is_logged_in,
            by=found.facts.get("by"),
            provider=found.facts.get("provider"),
            email=found.facts.get("email"),
            organization=found.facts.get("organization"),
            subscription=found.facts.get("subscription"),
            key_from=found.facts.get("key_from"),
            login_ends=found.facts.get("login_ends"),
            kept_in=found.facts.get("kept_in"),
            key_source=found.key_source or None,
        )

    def begin(self, body: schema.NewLogin) -> schema.ClaudeLogin:
        return _described(self._logins.begin(body.account == "subscription", current_identity()))

    def login(self) -> schema.ClaudeLogin | None:
        found = self._logins.current()
        return _described(found) if found else None

    def finish(self, login_id: str, body: schema.LoginCode) -> schema.ClaudeLogin:
        self._check(login_id)
        return _described(self._logins.finish(login_id, body.code))

    def cancel(self, login_id: str) -> None:
        self._check(login_id)
        self._logins.cancel(login_id)

    def log_out(self, body: schema.LogOut) -> ClaudeAct:
        return described(self._account.log_out(url_for(PAGE), current_identity()))

    def _check(self, login_id: str) -> None:
        """Raises NotFound where that is not the last log-in."""
        found = self._logins.current()
        if found is None or found.id != login_id:
            raise NotFound("There is no such log-in.")


def _described(login: Login) -> schema.ClaudeLogin:
    return schema.ClaudeLogin(
        id=login.id,
        account="subscription" if login.is_subscription else "console",
        state="open" if login.is_open else "done" if login.is_done else "failed",
        url=login.url if login.is_open else None,
        until=int(login.until),
        problem=login.problem or None,
    )
