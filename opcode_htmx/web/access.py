"""Decide who may come in: Host, Basic or cookie, Origin, CSRF token.

Must not know what the pages behind it do. Refusals are HTTP exceptions with a sentence;
errors.py turns them into pages, fragments or JSON.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from flask import Flask, Response, current_app, g, request
from flask_httpauth import HTTPBasicAuth
from werkzeug.exceptions import (
    Forbidden,
    MethodNotAllowed,
    MisdirectedRequest,
    RequestEntityTooLarge,
    TooManyRequests,
    Unauthorized,
)
from werkzeug.wrappers import Response as BaseResponse

from . import connections, cors, fetch_metadata, login, login_list, origin, own_addresses
from .devices import device
from .logins import Login, Logins
from .throttle import Throttle
from .tokens import Tokens, equal

log = logging.getLogger(__name__)

REALM = "opcode-htmx"
PUBLIC_PATHS = frozenset({"/healthz", "/login"})
PUBLIC_STATIC = frozenset(
    {"style.css", "icon.svg", "manifest.webmanifest", "apple-touch-icon.png"}
    | {"icon-192.png", "icon-512.png", "icon-maskable-512.png"}
)
"""What the login page shows, and what a phone asks for without a cookie to install the app."""
PUBLIC_BODY = 8192
"""Bytes that may be sent to what is public."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_COOKIES = 4
"""Cookies of our name that are looked at: other ports of this host can add some."""

STALE_FORM = "This form is out of date: reload the page and try again."
UNASKED = (
    "Pages send the header X-CSRF-Token with what they change; scripts send HTTP Basic credentials "
    "and no cookie, and pages of other origins JSON besides."
)
FOREIGN = "This request came from another site and was refused."
ACTS = (
    "This address does something, so no link and no image may open it: pages send the header "
    "X-CSRF-Token, scripts send HTTP Basic credentials."
)
ACTS_FOR_SCRIPTS = (
    "This address does something: pages send a POST with the header X-CSRF-Token; only scripts, "
    "with HTTP Basic credentials, may use GET."
)


@dataclass(slots=True)
class Visitor:
    """A person or program that was let in. `login` is None until one by Basic needs it."""

    by: Literal["cookie", "basic"]
    login: Login | None = None


class LoginRequired(Unauthorized):
    """401 with a Basic challenge, as Flask-HTTPAuth writes it: Werkzeug leaves out the quotes."""

    def __init__(self, challenge: str, sentence: str = "Log in to see this page.") -> None:
        super().__init__(sentence)
        self.challenge = challenge

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("WWW-Authenticate", self.challenge)]


class Access:
    """The one gate in front of every request; all of it is set up by `init_app`."""

    def __init__(
        self,
        user: str,
        password: str,
        tokens: Tokens,
        logins: Logins,
        throttle: Throttle,
        allowed_origins: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        if not password:
            raise ValueError("Access needs a password.")
        allowed_origins = tuple(allowed_origins)
        self.logins = logins
        self._user = user
        self._password = password
        self._tokens = tokens
        self._throttle = throttle
        self._warned: set[str] = set()
        self._origins = frozenset(origin.normal_origin(o) for o in allowed_origins)
        self._hosts = (
            origin.own_names()
            | origin.named_hosts(allowed_hosts)
            | origin.named_hosts(allowed_origins)
        )
        self._basic = HTTPBasicAuth(realm=REALM)
        self._basic.verify_password(self._right)

    def init_app(self, app: Flask) -> None:
        app.before_request(self._check)
        app.after_request(self._send_cookie)
        app.after_request(self._share)
        app.add_template_global(self.csrf_token, "csrf_token")
        app.register_blueprint(login.blueprint(self))
        app.register_blueprint(login_list.blueprint(self))

    def csrf_token(self) -> str:
        """The token for this visitor's forms; empty where nobody is logged in."""
        visitor = _visitor()
        return self._tokens.csrf_token(self._login_of(visitor).id) if visitor else ""

    # The gate -----------------------------------------------------------------------------

    def _check(self) -> Response | None:
        self._check_host()
        if cors.is_preflight():
            # It carries no credentials, and says nothing of what there is at this address.
            return cors.preflight(self._shared_with())
        self._check_source()
        if _is_public():
            self._let_in_to_public()
        else:
            self._let_in()
        return None

    def _let_in_to_public(self) -> None:
        request.max_content_length = request.max_form_memory_size = PUBLIC_BODY
        if (request.content_length or 0) > PUBLIC_BODY:
            raise RequestEntityTooLarge
        if self.cookie_visitor():
            connections.prove()

    def _let_in(self) -> None:
        """Nothing here reads the body before it is certain who sends it."""
        if is_websocket():
            g.visitor = self._websocket_visitor()
            connections.prove()
            return
        visitor = g.visitor = self.cookie_visitor() or self._basic_visitor()
        if visitor is None:
            raise self._unauthorized()
        connections.prove()
        if visitor.login:
            self.logins.used(visitor.login)
        if request.method in SAFE_METHODS:
            self._check_action(visitor)
        elif not self._is_script(visitor) and not self._is_page_of_friends(visitor):
            self._check_token(visitor)

    def _check_host(self) -> None:
        """Refuse unknown names: DNS rebinding turns any web page into a same-origin one."""
        name = origin.host_name(request.environ.get("HTTP_HOST", ""))
        if name is None or not (origin.is_ip_literal(name) or name in self._hosts):
            raise MisdirectedRequest(
                "This address is not known here: open the page by IP address, or add this name "
                "to OPCODE_ALLOWED_HOSTS and restart."
            )

    def _check_source(self) -> None:
        """Refuse what a page of another origin, so also of another port of this host, causes.

        Links may be followed from anywhere. What an allowed origin asks for is judged further on.
        """
        sent = request.headers.get("Origin")
        if sent is not None and sent.lower() in self._origins:
            return
        changes = request.method not in SAFE_METHODS
        if changes and sent is not None and not self._origin_allowed(sent):
            raise Forbidden(FOREIGN)
        if not fetch_metadata.is_foreign(request.headers):
            return
        if not changes and _shows_nothing_private():
            return
        if not fetch_metadata.is_opened_as_page(request.method, request.headers):
            raise Forbidden(FOREIGN)

    def _check_action(self, visitor: Visitor) -> None:
        """Refuse a GET that does something, unless no link and no image can have sent it."""
        caller = fetch_metadata.who_may_act(_view())
        if caller is None or request.method == "OPTIONS":
            return
        if request.method == "HEAD":
            raise MethodNotAllowed(valid_methods=sorted(_methods() - {"HEAD"}))
        # A program may send the cookie it was given, but it must send its credentials as well.
        if fetch_metadata.is_program(request.headers) and (
            visitor.by == "basic" or self._basic_visitor()
        ):
            return
        if self._is_page_of_friends(visitor):
            return
        token = request.headers.get("X-CSRF-Token", "")
        if caller == "scripts" or not self._is_token_of(visitor, token):
            raise Forbidden(ACTS_FOR_SCRIPTS if caller == "scripts" else ACTS)

    def _check_token(self, visitor: Visitor) -> None:
        given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
        if not self._is_token_of(visitor, given):
            raise Forbidden(UNASKED if cors.is_api() else STALE_FORM)

    def _is_token_of(self, visitor: Visitor, given: str) -> bool:
        login = visitor.login or self.logins.of_client(self._client())
        return login is not None and equal(given, self._tokens.csrf_token(login.id))

    def _is_script(self, visitor: Visitor) -> bool:
        """Whether this is curl and the like, whose credentials no page can borrow.

        Browsers send Origin with every unsafe request, so one that names no origin, no referrer
        and no cookie, yet carries credentials, was not made by a browser.
        """
        browser_headers = ("Origin", "Sec-Fetch-Site", "Referer", "Cookie")
        return visitor.by == "basic" and not any(h in request.headers for h in browser_headers)

    def _is_page_of_friends(self, visitor: Visitor) -> bool:
        """Whether a page of an allowed origin asks the API with credentials that it knows itself.

        For JSON, and for what is no POST, a browser asks first (see cors.py), and it is never told
        that it may add credentials that it has stored. So the page has given them.
        """
        asks_first = request.method != "POST" or request.mimetype == "application/json"
        return (
            visitor.by == "basic"
            and cors.is_api()
            and self._shared_with() is not None
            and asks_first
            and "Cookie" not in request.headers
        )

    def _origin_allowed(self, sent: str) -> bool:
        if sent.lower() in self._origins:
            return True
        # Over https, http under the same name is another port
        is_plain = request.is_secure and sent.lower().startswith("http:")
        return not is_plain and origin.same_origin(sent, request.environ.get("HTTP_HOST", ""))

    def _shared_with(self) -> str | None:
        """The origin that asks, if it is another one whose pages may act here."""
        sent = request.headers.get("Origin", "")
        return sent if sent.lower() in self._origins else None

    def _share(self, response: Response) -> Response:
        if cors.is_api():
            cors.share(response, self._shared_with())
        return response

    def _unauthorized(self) -> Unauthorized:
        if request.headers.get("HX-Request") == "true":
            # A Basic challenge here would put a dialog over a page that is in use.
            return Unauthorized("You are logged out.")
        if cors.is_api():
            return LoginRequired(
                self._basic.authenticate_header(),
                "Send the user and the password with HTTP Basic authentication.",
            )
        return LoginRequired(self._basic.authenticate_header())

    # Ways in ------------------------------------------------------------------------------

    def _websocket_visitor(self) -> Visitor:
        sent = request.headers.get("Origin")
        if sent is not None and not self._origin_allowed(sent):
            raise Forbidden(FOREIGN)
        visitor = self.cookie_visitor()
        if visitor and sent is not None:
            return visitor
        by_basic = self._basic_visitor()
        if by_basic:
            return by_basic
        if visitor:
            raise Forbidden("A WebSocket that logs in by cookie must send its Origin.")
        raise self._unauthorized()

    def cookie_visitor(self) -> Visitor | None:
        for name in _cookie_names():
            for value in request.cookies.getlist(name)[:MOST_COOKIES]:
                found = self.logins.of_cookie(value)
                if found and not self._is_replayed(found):
                    return Visitor("cookie", found)
        return None

    def _is_replayed(self, login: Login) -> bool:
        """Whether a program on this machine shows the cookie of a browser elsewhere.

        Browsers send the cookie to all ports of this host, so it may belong to somebody else's.
        """
        if not own_addresses.is_own(_address()) or own_addresses.is_own(login.address):
            return False
        if login.id not in self._warned:
            self._warned.add(login.id)
            log.warning(
                "The cookie of a login from %s came from this machine itself and was refused: a "
                "server on another port may have copied it.",
                login.address,
            )
        return True

    def _basic_visitor(self) -> Visitor | None:
        if not request.headers.get("Authorization", "").lower().startswith("basic "):
            return None
        credentials = self._basic.get_auth()
        if credentials is None:
            return None
        if not self.attempt(credentials.username or "", credentials.password or ""):
            return None
        return Visitor("basic")

    def check_throttle(self) -> None:
        """Raises TooManyRequests where there were too many failures, before a password is read."""
        wait = self._throttle.wait(_address())
        if wait:
            raise TooManyRequests(
                f"Too many failed logins: try again in {wait} "
                f"{'second' if wait == 1 else 'seconds'}.",
                retry_after=wait,
            )

    def attempt(self, user: str, password: str) -> bool:
        """Check a user and password; too many failures are refused unread."""
        self.check_throttle()
        if self._right(user, password):
            self._throttle.succeeded(_address())
            return True
        self._throttle.failed(_address())
        return False

    def _right(self, user: str, password: str) -> bool:
        user_right = equal(user, self._user)
        return equal(password, self._password) and user_right

    # Logins -------------------------------------------------------------------------------

    def log_in(self, response: BaseResponse) -> None:
        """Make a login and give the browser its cookie; the one that it had is ended."""
        earlier = self.cookie_visitor()
        login, cookie = self.logins.create(device(_user_agent()), _address())
        if earlier and earlier.login:
            self.logins.end(earlier.login.id)
        self._set_cookie(response, login, cookie)

    def log_out(self, response: BaseResponse) -> None:
        """End the login of this request, wherever a copy of its cookie may be."""
        self.end(login_id(), response)

    def end(self, ended: str, response: BaseResponse) -> None:
        """End a login; if it is that of this request, its browser forgets the cookie."""
        own = login_id()
        self.logins.end(ended)
        if ended == own:
            self._clear_cookie(response)

    def end_all(self, response: BaseResponse) -> None:
        self.logins.end_all()
        self._clear_cookie(response)

    def _clear_cookie(self, response: BaseResponse) -> None:
        g.logged_out = True
        response.delete_cookie(
            _cookie_names()[0], secure=request.is_secure, httponly=True, samesite="Strict"
        )

    def login_id(self) -> str:
        """The id of the login of this request; one by Basic gets one for it."""
        visitor = _visitor()
        return self._login_of(visitor).id if visitor else ""

    def _login_of(self, visitor: Visitor) -> Login:
        """The login of a visitor; a browser that sends Basic gets one, the same each time."""
        if visitor.login is None:
            visitor.login, _ = self._basic_login()
        return visitor.login

    def _basic_login(self) -> tuple[Login, str]:
        """So that pages opened side by side at the first visit keep each other's forms valid."""
        login, cookie = self.logins.create(
            device(_user_agent()), _address(), self._client(), self._tokens.basic_token
        )
        self.logins.used(login)
        return login, cookie

    def _client(self) -> str:
        return self._tokens.client(_address(), _user_agent())

    def _send_cookie(self, response: Response) -> Response:
        """A client of the API that kept a cookie would need the CSRF token from then on."""
        visitor = _visitor()
        if visitor is None or visitor.by == "cookie" or g.get("logged_out"):
            return response
        if not (is_websocket() or cors.is_api()):
            self._set_cookie(response, *self._basic_login())
        return response

    def _set_cookie(self, response: BaseResponse, login: Login, cookie: str) -> None:
        response.set_cookie(
            _cookie_names()[0],
            cookie,
            max_age=math.ceil(self.logins.remaining(login)),
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )


def is_websocket() -> bool:
    """Whether the current request is a WebSocket handshake."""
    upgrade: str = request.environ.get("HTTP_UPGRADE", "")
    return request.method == "GET" and upgrade.lower() == "websocket"


def login_id() -> str:
    """The id of the login under which the current request came in; empty without one."""
    visitor = _visitor()
    return visitor.login.id if visitor and visitor.login else ""


def _visitor() -> Visitor | None:
    visitor: Visitor | None = g.get("visitor")
    return visitor


def _address() -> str:
    return request.remote_addr or ""


def _user_agent() -> str:
    return request.headers.get("User-Agent", "")


def _view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def _methods() -> set[str]:
    return set(request.url_rule.methods or ()) if request.url_rule else set()


def _shows_nothing_private() -> bool:
    """What may be loaded into the pages of others, because it is the same for everybody."""
    return request.path == "/healthz" or (request.endpoint == "static" and _is_public())


def _is_public() -> bool:
    if request.endpoint == "static":
        return (request.view_args or {}).get("filename") in PUBLIC_STATIC
    return request.path in PUBLIC_PATHS


def _cookie_names() -> tuple[str, ...]:
    """The name that is set, and the one that is read besides.

    Cookies do not know ports: two servers on one machine must not log each other out. A name with
    `__Host-` can be set over https only, so that no plain http port of this host can replace it. A
    proxy may not say of every request that it came by https, so both names are read.
    """
    _, colon, port = request.host.rpartition(":")
    plain = f"opcode_{port}" if colon and port.isdigit() else "opcode"
    by_https = f"__Host-{plain}"
    return (by_https, plain) if request.is_secure else (plain, by_https)
