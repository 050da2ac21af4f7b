"""Identify the sender of a request, by cookie or HTTP Basic; create and end logins.

Raises TooManyRequests. gate.py decides about the access of a visitor.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

from flask import Response, g, request
from flask_httpauth import HTTPBasicAuth
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.metrics.families import Counter
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.web.auth.devices import device
from opcode_htmx.web.auth.logins import LOGIN_ID, How, Login, Logins
from opcode_htmx.web.auth.pairing import PairingCode, PairingCodes
from opcode_htmx.web.auth.rate_limit import RateLimiter
from opcode_htmx.web.auth.tokens import Tokens, digest, equal
from opcode_htmx.web.auth.visitor import Visitor, current_identity, is_websocket, login_id, visitor
from opcode_htmx.web.origin import cors, own_addresses
from opcode_htmx.web.server.base_path import base_path, cookie_name, cookie_path

log = logging.getLogger(__name__)

REALM = "opcode-htmx"
MAX_COOKIES = 100
"""Cookies with our name that are checked. Other ports of this host can set some before ours; a
browser sends only as many as fit into a header."""

LOGINS = Counter("opcode_logins", "Logins of browsers", {"how": ("password", "code")})
REFUSED = Counter(
    "opcode_logins_refused",
    "Attempts to log in that were refused, by a form, a pairing code or HTTP Basic",
    {"reason": ("wrong", "too_many")},
)


class Visitors:
    """Authenticates the visitors of the app, and sets their cookies."""

    def __init__(
        self,
        user: str,
        password: str,
        tokens: Tokens,
        logins: Logins,
        codes: PairingCodes,
        rate_limiter: RateLimiter,
        metrics: MetricStore,
    ) -> None:
        if not password:
            raise ValueError("Access needs a password.")
        self.logins = logins
        self.user = user
        self._codes = codes
        self._password = password
        self._tokens = tokens
        self._rate_limiter = rate_limiter
        self._metrics = metrics
        self._warned: set[str] = set()
        self._basic = HTTPBasicAuth(realm=REALM)
        self._basic.verify_password(self._is_right)

    def challenge(self) -> str:
        """The value of WWW-Authenticate."""
        return str(self._basic.authenticate_header())

    def csrf_token(self) -> str:
        """The token for this visitor's forms; empty without a login."""
        found = visitor()
        return self._tokens.csrf_token(self._login_of(found).id) if found else ""

    def has_token(self, visitor: Visitor, given: str) -> bool:
        """Whether `given` is the CSRF token of a visitor's login."""
        login = visitor.login or self.logins.of_client(self._client())
        return login is not None and equal(given, self._tokens.csrf_token(login.id))

    def cookie_visitor(self) -> Visitor | None:
        for name in _cookie_names():
            sent = request.cookies.getlist(name)[:MAX_COOKIES]
            if found := self.login_of(sent, _address()):
                return Visitor("cookie", owner(self.user, found.id), found)
        return None

    def login_of(self, cookies: Iterable[str], address: str) -> Login | None:
        """The login that one of these values of our cookie proves, for a client at an address."""
        for value in cookies:
            found = self.logins.of_cookie(value)
            if found and not self._is_replayed(found, address):
                return found
        return None

    def proof(self, login: Login, purpose: str) -> str:
        """The value of a cookie that proves a login for one purpose, and is no login here."""
        return f"{login.id}.{digest(f'{purpose} {self._tokens.csrf_token(login.id)}')}"

    def proven(self, given: str, purpose: str, address: str) -> Login | None:
        """The login that such a value proves, for a client at an address, while it lasts."""
        login = self.logins.get(given.partition(".")[0])
        if login is None or not equal(given, self.proof(login, purpose)):
            return None
        return None if self._is_replayed(login, address) else login

    def _is_replayed(self, login: Login, address: str) -> bool:
        """Whether a program on this machine sends the cookie of a browser on another one.

        Browsers send the cookie to all ports of this host, so another server may have copied it.
        """
        if not own_addresses.is_own(address) or own_addresses.is_own(login.address):
            return False
        if login.id not in self._warned:
            self._warned.add(login.id)
            log.warning(
                "The cookie of a login from %s came from this machine itself and was refused: a "
                "server on another port may have copied it.",
                login.address,
            )
        return True

    def basic_visitor(self) -> Visitor | None:
        if not request.headers.get("Authorization", "").lower().startswith("basic "):
            return None
        credentials = self._basic.get_auth()
        if credentials is None:
            return None
        if not self.attempt(credentials.username or "", credentials.password or ""):
            return None
        return Visitor("basic", owner(self.user))

    def check_rate_limit(self) -> None:
        """Raises TooManyRequests after too many failures, before a password is read."""
        wait = self._rate_limiter.wait(_address())
        if wait:
            self._metrics.add(REFUSED, labels=("too_many",))
            raise TooManyRequests(
                f"Too many failed logins: try again in {wait} "
                f"{'second' if wait == 1 else 'seconds'}.",
                retry_after=wait,
            )

    def attempt(self, user: str, password: str) -> bool:
        """Check a user and password. Raises TooManyRequests, without checking them."""
        self.check_rate_limit()
        if self._is_right(user, password):
            self._rate_limiter.succeeded(_address())
            return True
        self._failed()
        return False

    def redeem(self, typed: str) -> PairingCode | None:
        """Redeem a pairing code; None if it is not valid (any more).

        A code ends with the login that made it. Raises TooManyRequests, without redeeming it.
        """
        self.check_rate_limit()
        code = self._codes.redeem(typed)
        if code and (not LOGIN_ID.fullmatch(code.by) or self.logins.get(code.by)):
            self._rate_limiter.succeeded(_address())
            return code
        self._failed()
        return None

    def _failed(self) -> None:
        self._rate_limiter.failed(_address())
        self._metrics.add(REFUSED, labels=("wrong",))

    def _is_right(self, user: str, password: str) -> bool:
        user_right = equal(user, self.user)
        return equal(password, self._password) and user_right

    # Logins -------------------------------------------------------------------------------

    def log_in(
        self, response: BaseResponse, name: str = "", code: PairingCode | None = None
    ) -> None:
        """Create a login and set the browser's cookie; its previous login is ended.

        From here on it is the visitor of this request.
        `name` is that of the device; by default that of its browser. `code` has been redeemed.
        """
        earlier = self.cookie_visitor()
        how: How = "code" if code else "password"
        login, cookie = self.logins.create(name or self.device(), _address(), how=how)
        if code:
            self._codes.record_use(code, login.device)
        if earlier and earlier.login:
            self.logins.end(earlier.login.id)
        self._set_cookie(response, login, cookie)
        g.visitor = Visitor("cookie", owner(self.user, login.id), login)
        self._metrics.add(LOGINS, labels=(how,))
        log_act(owner(self.user, login.id), "login", device=login.device, how=how)

    def device(self) -> str:
        """The name of the sender's device, from its browser."""
        return device(_user_agent())

    def log_out(self, response: BaseResponse) -> None:
        """End the login of this request, and with it every copy of its cookie."""
        self.end(login_id(), response)

    def end(self, ended: str, response: BaseResponse) -> None:
        """End a login; if it is that of this request, delete the browser's cookie."""
        own = login_id()
        self.logins.end(ended)
        log_act(current_identity(), "logout", login=ended[:8])
        if ended == own:
            self._clear_cookie(response)

    def end_all(self, response: BaseResponse) -> None:
        self.logins.end_all()
        self._codes.revoke_all()
        log_act(current_identity(), "logout.all")
        self._clear_cookie(response)

    def _clear_cookie(self, response: BaseResponse) -> None:
        g.logged_out = True
        response.delete_cookie(
            _cookie_names()[0],
            path=cookie_path(),
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )

    def login_id(self) -> str:
        """The id of the login of this request; one is created for Basic."""
        found = visitor()
        return self._login_of(found).id if found else ""

    def _login_of(self, visitor: Visitor) -> Login:
        """The login of a visitor; for a browser with Basic one is created, the same each time."""
        if visitor.login is None:
            visitor.login, visitor.cookie = self._basic_login()
        return visitor.login

    def _basic_login(self) -> tuple[Login, str]:
        """One login for all pages opened at the first visit, so each other's forms stay valid."""
        login, cookie = self.logins.create(
            device(_user_agent()),
            _address(),
            self._client(),
            self._tokens.basic_token,
            how="dialog",
        )
        self.logins.used(login)
        return login, cookie

    def _client(self) -> str:
        return self._tokens.client(_address(), _user_agent())

    def send_cookie(self, response: Response) -> Response:
        """Not to API clients, which would need the CSRF token once they had a cookie."""
        found = visitor()
        if found is None or found.by == "cookie" or g.get("logged_out"):
            return response
        if not (is_websocket() or cors.is_api()):
            login = self._login_of(found)
            self._set_cookie(response, login, found.cookie)
        return response

    def _set_cookie(self, response: BaseResponse, login: Login, cookie: str) -> None:
        response.set_cookie(
            _cookie_names()[0],
            cookie,
            max_age=math.ceil(self.logins.remaining(login)),
            path=cookie_path(),
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )


def _address() -> str:
    return request.remote_addr or ""


def _user_agent() -> str:
    return request.headers.get("User-Agent", "")


def _cookie_names() -> tuple[str, ...]:
    """The name that is set, and the other one that is read.

    Cookies are shared by all ports: two servers on one machine must not log each other out. A name
    with `__Host-` can be set over https only, so that no plain http port of this host can replace
    it. Browsers want the path `/` of such a cookie: below a base path its name begins with
    `__Secure-`, so that it is sent to no neighbour. A proxy may not mark every https request as
    such, so both names are read.
    """
    plain = cookie_name("opcode")
    by_https = f"__{'Secure' if base_path() else 'Host'}-{plain}"
    return (by_https, plain) if request.is_secure else (plain, by_https)
