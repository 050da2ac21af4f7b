"""The login page and the logout; gate.py decides about access."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.web.http.flash import flash, flashed
from opcode_htmx.web.server.base_path import inner_path, start_page
from opcode_htmx.web.server.url_rules import LateMap

# Browsers read "//x" and "/\x" as another host, and drop tabs and newlines on the way.
_LOCAL_PATH = late_pattern(r"/(?![/\\])[^\x00-\x20\x7f\\]*")
_UPWARDS = late_pattern(r"/(?:\.|%2e){1,2}(?=[/?#]|$)", re.IGNORECASE)
"""What browsers resolve: it could lead out of the base path, to a neighbour on the same host."""

_NO_MATCH = "That user and password do not match."
_NOT_IT = "That is not the password. Try again."

LONGEST_LINK = 4000
"""Characters of a link to the login page: servers refuse longer request lines."""

_PROMPT_FIELDS = ("prompt", "prompt_id", "session_id", "seen", "project", "folder")
_LARGEST_CARRIED = 6000
"""Bytes of these fields and the address that the login leads to: see PUBLIC_BODY in gate.py."""

LOG_IN = "access.log_in"
"""The endpoint of the form."""
DIALOG = "access.dialog"
"""The endpoint for those who prefer the browser's dialog to the form."""

Answer = Response | tuple[str, int] | tuple[str, int, dict[str, str]]


class Gate(Protocol):
    """The part of Visitors that the pages use."""

    def attempt(self, user: str, password: str) -> bool: ...
    def cookie_visitor(self) -> object | None: ...
    def log_in(self, response: Response) -> None: ...
    def log_out(self, response: Response) -> None: ...


@dataclass(frozen=True, slots=True)
class LoginHints:
    """What the form says about the user and the password."""

    asks_user: bool = False
    """Whether it has a field for the user: nobody needs to type the default one."""
    password_is_given: bool = False
    """Whether the password is from OPCODE_PASSWORD, and so was not printed in the terminal."""


DEFAULT_HINTS = LoginHints()


class LoginForm:
    """Renders the form, for the login page and in place of pages that need a login."""

    def __init__(self, user: str, hints: LoginHints) -> None:
        self._user = user
        self._hints = hints

    def asks_user(self, typed: str | None) -> bool:
        """Whether there is a field for the user.

        A password manager may have filled in another one, which must not stay hidden.
        """
        return self._hints.asks_user or (typed is not None and typed != self._user)

    def page(
        self,
        target: str,
        user: str | None = None,
        *,
        error: str = "",
        notice: str = "",
        leads_on: bool = False,
        carried: Mapping[str, str] | None = None,
    ) -> str:
        """The page with the form, which leads to the local path `target`.

        `user` is what was typed; for `carried` see `carried_fields`. With `leads_on` the browser
        goes on to the login page by itself: that step carries the cookie, if the browser has one,
        and one from another site did not.
        """
        asks_user = self.asks_user(user)
        return render_template(
            "login.html",
            next=target,
            user=user or ("" if asks_user else self._user),
            asks_user=asks_user,
            password_is_given=self._hints.password_is_given,
            error=error,
            notice=notice,
            leads_on=leads_on and login_link(target) != login_link(""),
            carried=carried or {},
        )


def blueprint(gate: Gate, form: LoginForm) -> Blueprint:
    """Pages `/login` and `/logout`."""
    pages = Blueprint("access", __name__)

    @pages.get("/login")
    def login() -> Response | str:
        target = local_path(request.args.get("next"))
        # A link from another site carries no SameSite cookie, so it leads here even with a login.
        if gate.cookie_visitor():
            return redirect(target, 303)
        return form.page(target, notice=flashed()[0])

    @pages.get("/login/dialog")
    def dialog() -> Response:
        """Needs a login; here a browser is asked for it by HTTP Basic (see gate.py)."""
        return redirect(local_path(request.args.get("next")), 303)

    @pages.post("/login")
    def log_in() -> Answer:
        target = local_path(request.args.get("next"))
        user, carried = None, dict[str, str]()
        try:
            target = local_path(request.args.get("next") or request.form.get("next"))
            user = request.form.get("user", "")
            carried = carried_fields(request.form, target)
            is_right = gate.attempt(user, request.form.get("password", ""))
        except TooManyRequests as error:
            page = form.page(target, user, error=error.description or "", carried=carried)
            return page, 429, {"Retry-After": str(error.retry_after)}
        if not is_right:
            sentence = _NO_MATCH if form.asks_user(user) else _NOT_IT
            return form.page(target, user, error=sentence, carried=carried), 401
        if carried and isinstance(current_app.url_map, LateMap):
            current_app.url_map.add_below("/")  # what keeps them is added with the pages
        response = redirect(target, 303)
        gate.log_in(response)
        return response

    @pages.post("/logout")
    def logout() -> Response:
        response = redirect(url_for("access.login"), 303)
        gate.log_out(response)
        flash(response, "logged_out")
        return response

    return pages


def carried_fields(form: Mapping[str, str], target: str) -> dict[str, str]:
    """What the login form carries of a form that was refused because the login had ended.

    These are the fields of a form with a prompt; none of other forms, or of one with a long text.
    Nothing is stored before the login. After it the composer keeps them as a draft (see
    features/composer/typed_words.py), and the person is at the page `target`: nothing is sent.
    """
    found = {name: form[name] for name in _PROMPT_FIELDS if name in form}
    is_kept = "session_id" in found and ("seen" in found or "project" in found)
    size = sum(len(encoded(text)) for text in (target, *found.values()))
    is_small = size <= _LARGEST_CARRIED
    return found if is_kept and is_small and found.get("prompt", "").strip() else {}


def login_link(target: str) -> str:
    """The address of the login page, which leads to `target` if that is not too long for a link."""
    link = url_for("access.login", next=target) if target else ""
    return link if 0 < len(link) <= LONGEST_LINK else url_for("access.login")


def local_path(target: str | None) -> str:
    """`target` if it is an address of this app without its host, else that of the first page."""
    if not target or not _LOCAL_PATH.fullmatch(target) or inner_path(target) is None:
        return start_page()
    if _UPWARDS.search(target.partition("?")[0]):
        return start_page()
    return target
