"""Allow or refuse each request, by Host, Basic or cookie, Origin and CSRF token.

Must not depend on the pages behind it. Refusals are HTTP exceptions with a sentence; errors.py
turns them into pages, fragments or JSON.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import Forbidden, MethodNotAllowed, RequestEntityTooLarge, Unauthorized

from opcode_htmx.web.auth import login, login_list, pair
from opcode_htmx.web.auth.login import DEFAULT_HINTS, LoginForm, LoginHints
from opcode_htmx.web.auth.visitor import Visitor, current_identity, is_websocket, login_id
from opcode_htmx.web.auth.visitors import Visitors
from opcode_htmx.web.origin import cors, fetch_metadata
from opcode_htmx.web.origin.referrer import sending_page, split_referrer
from opcode_htmx.web.origin.sources import FOREIGN, SAFE_METHODS, Sources
from opcode_htmx.web.server import connections
from opcode_htmx.web.server.base_path import own_full_path

__all__ = ["FOREIGN", "AuthGate", "current_identity", "is_websocket", "login_id"]

PUBLIC_PATHS = frozenset({"/healthz", "/login", "/metrics", "/pair", "/readyz"})
PUBLIC_STATIC = frozenset(
    {"style.css", "login.js", "logout.js", "transitions.js", "icon.svg", "manifest.webmanifest"}
    | {"apple-touch-icon.png", "icon-192.png", "icon-512.png", "icon-maskable-512.png"}
)
"""The files of the login page, and those that installing the app fetches without a cookie."""
PUBLIC_BODY = 8192
"""The size limit, in bytes, of requests to public addresses."""

STALE_FORM = "This form is out of date: reload the page and try again."
CSRF_REFUSAL = (
    "Pages send the header X-CSRF-Token with what they change; scripts send HTTP Basic credentials "
    "and no cookie, and pages of other origins JSON besides."
)
ACTS = (
    "This address does something, so no link and no image may open it: pages send the header "
    "X-CSRF-Token, scripts send HTTP Basic credentials."
)
ACTS_FOR_SCRIPTS = (
    "This address does something: pages send a POST with the header X-CSRF-Token; only scripts, "
    "with HTTP Basic credentials, may use GET."
)


LOGIN_SENTENCE = "Log in to see this page."
LOGGED_OUT = "You are logged out."
SHARE_AGAIN = (
    "This is too large to be kept while you are not logged in. Log in, then share it again."
)


class LoginRequired(Unauthorized):
    """401 with the Basic challenge of Flask-HTTPAuth; that of Werkzeug lacks the quotes."""

    def __init__(self, challenge: str, sentence: str = LOGIN_SENTENCE) -> None:
        super().__init__(sentence)
        self.challenge = challenge

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("WWW-Authenticate", self.challenge)]


class AuthGate:
    """The gate before every request; set up by `init_app`."""

    def __init__(
        self, visitors: Visitors, sources: Sources, hints: LoginHints = DEFAULT_HINTS
    ) -> None:
        self._visitors = visitors
        self._sources = sources
        self._form = LoginForm(visitors.user, hints)

    def init_app(self, app: Flask) -> None:
        app.before_request(self._check)
        app.after_request(self._visitors.send_cookie)
        app.after_request(self._share)
        app.add_template_global(self._visitors.csrf_token, "csrf_token")
        app.add_template_global(login.login_link)
        app.register_blueprint(login.blueprint(self._visitors, self._form))
        app.register_blueprint(pair.blueprint(self._visitors))
        app.register_blueprint(login_list.blueprint(self._visitors))

    def _check(self) -> Response | None:
        self._sources.check_host()
        if cors.is_preflight():
            # It has no credentials, and the answer does not depend on the content of the address.
            return cors.preflight(self._sources.shared_with())
        if not _is_share():
            self._sources.check_source(is_for_everybody=_may_be_embedded())
        if _is_public():
            self._allow_public()
        else:
            self._authenticate()
        return None

    def _allow_public(self) -> None:
        request.max_content_length = request.max_form_memory_size = PUBLIC_BODY
        if (request.content_length or 0) > PUBLIC_BODY:
            raise RequestEntityTooLarge
        if self._visitors.cookie_visitor():
            connections.prove()

    def _authenticate(self) -> None:
        """Nothing here reads more than PUBLIC_BODY before the sender is known."""
        if is_websocket():
            g.visitor = self._websocket_visitor()
            connections.prove()
            return
        visitor = g.visitor = self._visitors.cookie_visitor() or self._visitors.basic_visitor()
        if visitor is None and _is_share() and (request.content_length or 0) <= PUBLIC_BODY:
            self._allow_public()  # its view keeps a short text until there is a login
            return
        if visitor is None:
            raise self._unauthorized()
        connections.prove()
        if visitor.login:
            self._visitors.logins.used(visitor.login)
        if request.method in SAFE_METHODS:
            self._check_action(visitor)
        elif not (
            self._is_script(visitor) or self._is_allowed_cross_origin(visitor) or _is_share()
        ):
            self._check_token(visitor)

    def _check_action(self, visitor: Visitor) -> None:
        """Refuse a GET with an effect, unless no link and no image can have sent it."""
        caller = fetch_metadata.who_may_act(_view())
        if caller is None or request.method == "OPTIONS":
            return
        if request.method == "HEAD":
            raise MethodNotAllowed(valid_methods=sorted(_methods() - {"HEAD"}))
        # A program may send the cookie it received, but must send its credentials as well.
        if fetch_metadata.is_program(request.headers) and (
            visitor.by == "basic" or self._visitors.basic_visitor()
        ):
            return
        if self._is_allowed_cross_origin(visitor):
            return
        token = request.headers.get("X-CSRF-Token", "")
        if caller == "scripts" or not self._visitors.has_token(visitor, token):
            raise Forbidden(ACTS_FOR_SCRIPTS if caller == "scripts" else ACTS)

    def _check_token(self, visitor: Visitor) -> None:
        given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
        if not self._visitors.has_token(visitor, given):
            raise Forbidden(CSRF_REFUSAL if cors.is_api() else STALE_FORM)

    def _is_script(self, visitor: Visitor) -> bool:
        """Whether the sender is a program like curl, whose credentials no page can use.

        Browsers send Origin with every unsafe request, so one with credentials but without origin,
        referrer and cookie was not made by a browser.
        """
        browser_headers = ("Origin", "Sec-Fetch-Site", "Referer", "Cookie")
        return visitor.by == "basic" and not any(h in request.headers for h in browser_headers)

    def _is_allowed_cross_origin(self, visitor: Visitor) -> bool:
        """Whether a page of an allowed origin calls the API with credentials of its own.

        For JSON, and for methods other than POST, a browser sends a preflight (see cors.py), whose
        answer never allows it to add stored credentials. So the page has provided them.
        """
        is_preflighted = request.method != "POST" or request.mimetype == "application/json"
        return (
            visitor.by == "basic"
            and cors.is_api()
            and self._sources.shared_with() is not None
            and is_preflighted
            and "Cookie" not in request.headers
        )

    def _share(self, response: Response) -> Response:
        if cors.is_api():
            cors.share(response, self._sources.shared_with())
        return response

    def _unauthorized(self) -> Unauthorized:
        if request.headers.get("HX-Request") == "true":
            # A Basic challenge would open a dialog over a page in use.
            return Unauthorized(LOGGED_OUT)
        if _is_share():
            return Unauthorized(SHARE_AGAIN)
        if cors.is_api():
            return LoginRequired(
                self._visitors.challenge(),
                "Send the user and the password with HTTP Basic authentication.",
            )
        asks_by_dialog = is_websocket() or request.endpoint == login.DIALOG
        if fetch_metadata.is_by_browser(request.headers) and not asks_by_dialog:
            # A challenge would open the browser's dialog
            return Unauthorized(LOGIN_SENTENCE, self._form_in_place())
        return LoginRequired(self._visitors.challenge())

    def _form_in_place(self) -> Response | None:
        """The login form under the address of a page that was asked for, or of a refused prompt.

        None for another change, after which a login leads nowhere.
        """
        if request.method == "POST":
            return self._form_with_words()
        if request.method != "GET":
            return None
        leads_on = fetch_metadata.may_lack_cookies(request.headers)
        target = login.local_path(own_full_path())
        return Response(self._form.page(target, leads_on=leads_on), 401)

    def _form_with_words(self) -> Response | None:
        """The login form with the prompt of a form that was sent from a page of ours."""
        target = login.local_path(sending_page())
        if not split_referrer().path or (request.content_length or 0) > PUBLIC_BODY:
            return None
        request.max_content_length = request.max_form_memory_size = PUBLIC_BODY
        try:
            carried = login.carried_fields(request.form, target)
        except RequestEntityTooLarge:
            return None
        return Response(self._form.page(target, carried=carried), 401) if carried else None

    def _websocket_visitor(self) -> Visitor:
        origin = request.headers.get("Origin")
        if origin is not None and not self._sources.origin_allowed(origin):
            raise Forbidden(FOREIGN)
        visitor = self._visitors.cookie_visitor()
        if visitor and origin is not None:
            return visitor
        by_basic = self._visitors.basic_visitor()
        if by_basic:
            return by_basic
        if visitor:
            raise Forbidden("A WebSocket that logs in by cookie must send its Origin.")
        raise self._unauthorized()


def _view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def _is_share() -> bool:
    return fetch_metadata.is_share(_view(), request.method, request.headers)


def _methods() -> set[str]:
    return set(request.url_rule.methods or ()) if request.url_rule else set()


def _may_be_embedded() -> bool:
    """Whether pages of any origin may load the address."""
    return request.path == "/healthz" or (request.endpoint == "static" and _is_public())


def _is_public() -> bool:
    if request.endpoint == "static":
        return (request.view_args or {}).get("filename") in PUBLIC_STATIC
    return request.path in PUBLIC_PATHS
