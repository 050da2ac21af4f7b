"""Decide who may come in: Host, Basic or cookie, Origin, CSRF token.

Must not know what the pages behind it do. Refusals are HTTP exceptions with a sentence;
errors.py turns them into pages, fragments or JSON.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import Flask, Response, g, request
from flask_httpauth import HTTPBasicAuth
from werkzeug.exceptions import Forbidden, MisdirectedRequest, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from . import cors, login, origin
from .throttle import Throttle
from .tickets import COOKIE_AGE, Tickets, equal

REALM = "opcode-htmx"
RENEW_AFTER = timedelta(days=1)
PUBLIC_PATHS = frozenset({"/healthz", "/login"})
PUBLIC_STATIC = frozenset(
    {"style.css", "icon.svg", "manifest.webmanifest", "apple-touch-icon.png"}
    | {"icon-192.png", "icon-512.png", "icon-maskable-512.png"}
)
"""What the login page shows, and what a phone asks for without a cookie to install the app."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

STALE_FORM = "This form is out of date: reload the page and try again."
UNASKED = (
    "Pages send the header X-CSRF-Token with what they change; scripts send HTTP Basic credentials "
    "and no cookie, and pages of other origins JSON besides."
)
FOREIGN = "This request came from another site and was refused."


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who was let in: their session id, by what, and when the cookie was made."""

    session_id: str
    by: Literal["cookie", "basic"]
    since: datetime | None = None


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
        secret_key: bytes,
        allowed_origins: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        if not password:
            raise ValueError("Access needs a password.")
        allowed_origins = tuple(allowed_origins)
        self._user = user
        self._password = password
        self._tickets = Tickets(secret_key, user, password)
        self._origins = frozenset(origin.normal_origin(o) for o in allowed_origins)
        self._hosts = (
            origin.own_names()
            | origin.named_hosts(allowed_hosts)
            | origin.named_hosts(allowed_origins)
        )
        self._throttle = Throttle()
        self._basic = HTTPBasicAuth(realm=REALM)
        self._basic.verify_password(self._right)

    def init_app(self, app: Flask) -> None:
        app.before_request(self._check)
        app.after_request(self._send_cookie)
        app.after_request(self._share)
        app.add_template_global(self.csrf_token, "csrf_token")
        app.register_blueprint(login.blueprint(self))

    def csrf_token(self) -> str:
        """The token for this visitor's forms; empty where nobody is logged in."""
        visitor = _visitor()
        return self._tickets.csrf_token(visitor.session_id) if visitor else ""

    # The gate -----------------------------------------------------------------------------

    def _check(self) -> Response | None:
        self._check_host()
        if cors.is_preflight():
            # It carries no credentials, and says nothing of what there is at this address.
            return cors.preflight(self._shared_with())
        self._let_in()
        return None

    def _let_in(self) -> None:
        if request.method not in SAFE_METHODS:
            self._check_same_site()
        if _is_public():
            return
        if is_websocket():
            g.visitor = self._websocket_visitor()
            return
        g.visitor = self.cookie_visitor() or self._basic_visitor()
        if g.visitor is None:
            raise self._unauthorized()
        if request.method in SAFE_METHODS:
            return
        if not self._is_script(g.visitor) and not self._is_page_of_friends(g.visitor):
            self._check_token(g.visitor)

    def _check_host(self) -> None:
        """Refuse unknown names: DNS rebinding turns any web page into a same-origin one."""
        name = origin.host_name(request.environ.get("HTTP_HOST", ""))
        if name is None or not (origin.is_ip_literal(name) or name in self._hosts):
            raise MisdirectedRequest(
                "This address is not known here: open the page by IP address, or add this name "
                "to OPCODE_ALLOWED_HOSTS and restart."
            )

    def _check_same_site(self) -> None:
        sent = request.headers.get("Origin")
        if sent is not None:
            if not self._origin_allowed(sent):
                raise Forbidden(FOREIGN)
        elif request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
            raise Forbidden(FOREIGN)

    def _check_token(self, visitor: Visitor) -> None:
        given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
        if not equal(given, self._tickets.csrf_token(visitor.session_id)):
            raise Forbidden(UNASKED if cors.is_api() else STALE_FORM)

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
        host = request.environ.get("HTTP_HOST", "")
        return origin.same_origin(sent, host) or sent.lower() in self._origins

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
        value = request.cookies.get(_cookie_name())
        if not value:
            return None
        ticket = self._tickets.read(value)
        return Visitor(ticket[0], "cookie", ticket[1]) if ticket else None

    def _basic_visitor(self) -> Visitor | None:
        if not request.headers.get("Authorization", "").lower().startswith("basic "):
            return None
        credentials = self._basic.get_auth()
        if credentials is None:
            return None
        if not self.attempt(credentials.username or "", credentials.password or ""):
            return None
        # The same browser gets the same id until it has its cookie, so that pages that it opens
        # side by side at the first visit do not put each other's forms out of date.
        seen_as = (request.remote_addr or "", request.headers.get("User-Agent", ""))
        return Visitor(self._tickets.session_id_of(*seen_as), "basic")

    def attempt(self, user: str, password: str) -> bool:
        """Check a user and password; too many failures from one address are refused unread."""
        address = request.remote_addr or ""
        wait = self._throttle.wait(address)
        if wait:
            raise TooManyRequests(
                f"Too many failed logins: try again in {wait} seconds.", retry_after=wait
            )
        if self._right(user, password):
            self._throttle.succeeded(address)
            return True
        self._throttle.failed(address)
        return False

    def _right(self, user: str, password: str) -> bool:
        user_right = equal(user, self._user)
        return equal(password, self._password) and user_right

    # Cookie -------------------------------------------------------------------------------

    def _send_cookie(self, response: Response) -> Response:
        visitor = _visitor()
        if visitor is None or is_websocket() or request.endpoint == "access.logout":
            return response
        if visitor.by == "basic" and cors.is_api():
            return response  # a client that kept it would need the token from then on
        if visitor.since is None or datetime.now(UTC) - visitor.since > RENEW_AFTER:
            self.set_cookie(response, visitor.session_id)
        return response

    def set_cookie(self, response: BaseResponse, session_id: str | None = None) -> None:
        """Log the browser in, under a new session id unless one is given."""
        session_id = session_id or self._tickets.new_session_id()
        response.set_cookie(
            _cookie_name(),
            self._tickets.cookie(session_id),
            max_age=COOKIE_AGE,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )

    def login_id(self) -> str:
        return login_id()

    def clear_cookie(self, response: BaseResponse) -> None:
        response.delete_cookie(
            _cookie_name(), secure=request.is_secure, httponly=True, samesite="Strict"
        )


def is_websocket() -> bool:
    """Whether the current request is a WebSocket handshake."""
    upgrade: str = request.environ.get("HTTP_UPGRADE", "")
    return request.method == "GET" and upgrade.lower() == "websocket"


def login_id() -> str:
    """The id of the login under which the current request came in; empty without one."""
    visitor = _visitor()
    return visitor.session_id if visitor else ""


def _visitor() -> Visitor | None:
    visitor: Visitor | None = g.get("visitor")
    return visitor


def _is_public() -> bool:
    if request.endpoint == "static":
        return (request.view_args or {}).get("filename") in PUBLIC_STATIC
    return request.path in PUBLIC_PATHS


def _cookie_name() -> str:
    """Cookies do not know ports: two servers on one machine must not log each other out."""
    _, colon, port = request.host.rpartition(":")
    return f"opcode_{port}" if colon and port.isdigit() else "opcode"
