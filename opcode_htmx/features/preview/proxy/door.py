"""The WSGI door before the app: requests for previews go to dev servers, all others to the app.

A preview has an origin of its own, a port of ours, where nothing of the app is served. Where that
cannot be reached it is under a path of the app, with a pass in it, in a sandbox. Neither gets what
is the app's: see docs/decisions/0071-previews-have-an-origin-of-their-own.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from jinja2 import Environment

from opcode_htmx.features.preview import targets
from opcode_htmx.features.preview.openings import Opening, Openings
from opcode_htmx.features.preview.proxy import cookies, exchange, refusals, tunnel
from opcode_htmx.features.preview.proxy.headers import Headers, Place
from opcode_htmx.features.preview.proxy.open_exchanges import (
    OpenExchange,
    OpenExchanges,
    TooMany,
)
from opcode_htmx.features.preview.proxy.refusals import Refused
from opcode_htmx.features.preview.proxy.upstream import Ended, Unanswered
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.processes.listening import still_listens
from opcode_htmx.web.auth.logins import Login
from opcode_htmx.web.auth.visitors import Visitors
from opcode_htmx.web.origin import hosts
from opcode_htmx.web.origin.server_addresses import in_url
from opcode_htmx.web.origin.sources import SAFE_METHODS, Sources
from opcode_htmx.web.server import connections

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

PATH = late_pattern(r"/preview/([1-9][0-9]{0,4})/([A-Za-z0-9_-]{32})(?=[/?]|$)")
"""Where a preview in a sandbox begins: the port of its server, and the pass."""
ENTRANCE = "/preview/enter"
_OURS = frozenset({"same-origin", "none", ""})


@dataclass(frozen=True, slots=True)
class Front:
    """Where browsers find the app itself, without a proxy."""

    port: int
    base_path: str

    @property
    def entrance(self) -> str:
        """The path at which a preview's port gives a cookie of its own; below a base path only."""
        return f"{self.base_path}{ENTRANCE}"


class Door:
    """A WSGI app: the previews, with the app behind them."""

    def __init__(
        self,
        app: WSGIApplication,
        visitors: Visitors,
        sources: Sources,
        openings: Openings,
        ports: Callable[[], Iterable[int]],
        front: Front,
        templates: Environment,
    ) -> None:
        """`ports`: those that only previews are served on."""
        self._app = app
        self._visitors = visitors
        self._sources = sources
        self._openings = openings
        self._ports = ports
        self._front = front
        self._templates = templates
        self.exchanges = OpenExchanges()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        port = str(environ.get("SERVER_PORT", ""))
        own = int(port) if port.isdecimal() else 0
        if own not in self._ports():
            own = 0
            if not self._match(str(environ.get("PATH_INFO", ""))):
                return self._app(environ, start_response)
        try:
            if own:
                return self._at_port(environ, start_response, own)
            return self._under_path(environ, start_response)
        except Refused as refused:
            refusal = refused.refusal
        except TooMany:
            refusal = refusals.BUSY
        except Unanswered as error:
            refusal = refusals.unanswered(str(error), has_ended=isinstance(error, Ended))
        app = self._address_of_app(environ, own)
        again = exchange.target_of(environ) if refusal.may_try_again else ""
        if again and own and self._front.base_path:
            again = self._front.entrance
        return refusals.answer(start_response, refusal, app, again, self._templates)

    # --- an origin of its own ----------------------------------------------------------------

    def _at_port(
        self, environ: dict[str, Any], start_response: StartResponse, port: int
    ) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", ""))
        if not self._sources.knows_host(host):
            raise Refused(refusals.WRONG_HOST)
        sent, client = str(environ.get("HTTP_COOKIE", "")), str(environ.get("REMOTE_ADDR", ""))
        login = self._visitors.login_of(cookies.logins(sent), client)
        if login is None and self._front.base_path:
            login = self._visitors.proven(cookies.own(sent, port), _purpose(port), client)
        if login is None:
            raise Refused(refusals.NOT_LOGGED_IN)
        connections.prove()
        self._visitors.logins.used(login)
        _check_source(environ, host)
        if "HTTP_SERVICE_WORKER" in environ:
            raise Refused(refusals.NO_WORKERS)
        if self._front.base_path and environ.get("PATH_INFO") == self._front.entrance:
            return self._enter(environ, start_response, login, port)
        opening = self._openings.at_port(port)
        if opening is None:
            raise Refused(refusals.NOT_OPEN)
        is_secure = environ.get("wsgi.url_scheme") == "https"
        place = Place(
            opening.listener.port,
            f"{'https' if is_secure else 'http'}://{host.lower()}",
            our_port=port,
            is_secure=is_secure,
        )
        return self._pass_on(
            environ, start_response, opening, login, exchange.target_of(environ), place
        )

    def _enter(
        self, environ: dict[str, Any], start_response: StartResponse, login: Login, port: int
    ) -> Iterable[bytes]:
        """Give a cookie for all of the port: that of the login is sent below the base path only."""
        proof = self._visitors.proof(login, _purpose(port))
        is_secure = environ.get("wsgi.url_scheme") == "https"
        attributes = f"Path=/; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
        cookie = ("Set-Cookie", f"{cookies.own_name(port)}={proof}; {attributes}")
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        location = ("Location", targets.path_of(query.get("to", ["/"])[0]))
        start_response("303 See Other", [*refusals.plain(0), location, cookie])
        return []

    # --- under a path, in a sandbox ----------------------------------------------------------

    def _under_path(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """The pass is given after a login only; a page without an origin does not send it."""
        host = str(environ.get("HTTP_HOST", ""))
        if not self._sources.knows_host(host):
            raise Refused(refusals.WRONG_HOST)
        target = exchange.target_of(environ)
        match = self._match(target)
        opening = self._openings.by_pass(match[2]) if match else None
        login = self._visitors.logins.get(opening.login) if opening else None
        if not match or not opening or not login or str(opening.listener.port) != match[1]:
            raise Refused(refusals.NOT_OPEN)
        connections.prove()
        self._visitors.logins.used(login)
        if "HTTP_SERVICE_WORKER" in environ:
            raise Refused(refusals.NO_WORKERS)
        # The pages of the app may lead here, and load nothing from here
        if environ.get("HTTP_SEC_FETCH_SITE") == "same-origin" and not _is_opened(environ):
            raise Refused(refusals.FOREIGN)
        if _is_preflight(environ):
            return _preflight(environ, start_response)
        prefix = f"{self._front.base_path}{match[0]}"
        is_secure = environ.get("wsgi.url_scheme") == "https"
        place = Place(
            opening.listener.port,
            f"{'https' if is_secure else 'http'}://{host.lower()}",
            prefix=prefix,
            is_secure=is_secure,
        )
        rest = target[len(prefix) :]
        if not rest.startswith("/"):
            # Relative addresses on the page need the slash
            query = str(environ.get("QUERY_STRING", ""))
            address = f"{prefix}/{'?' + query if query else ''}"
            start_response("308 Permanent Redirect", [*refusals.plain(0), ("Location", address)])
            return []
        return self._pass_on(environ, start_response, opening, login, rest, place)

    def _match(self, path: str) -> re.Match[str] | None:
        """The beginning of a path, below the base path, that leads to a preview in a sandbox."""
        base = self._front.base_path
        return PATH.match(path.removeprefix(base)) if path.startswith(f"{base}/") else None

    # --- both --------------------------------------------------------------------------------

    def _pass_on(
        self,
        environ: dict[str, Any],
        start_response: StartResponse,
        opening: Opening,
        login: Login,
        target: str,
        place: Place,
    ) -> Iterable[bytes]:
        if not target:
            raise Refused(refusals.BAD)
        browser = exchange.patient(environ)

        def may_go_on() -> bool:
            is_logged_in = self._visitors.logins.get(login.id) is not None
            return is_logged_in and still_listens(opening.listener)

        one = OpenExchange(browser, may_go_on, is_socket=_is_websocket(environ))
        listener = opening.listener
        if not one.is_socket:
            return exchange.pass_on(
                environ, start_response, listener, target, place, self.exchanges, one
            )
        if browser is None:
            raise Refused(refusals.NO_SOCKETS)
        tunnel.serve(environ, listener, target, place, self.exchanges, one)
        raise StopIteration  # gunicorn's sign that the connection is over

    def _address_of_app(self, environ: dict[str, Any], own: int) -> str:
        """That of the app, for a browser that reaches this server without a proxy; or empty."""
        host = str(environ.get("HTTP_HOST", ""))
        name = hosts.host_name(host)
        is_direct = environ.get("wsgi.url_scheme") != "https" and host.endswith(f":{own}")
        if not own or not name or not is_direct or not self._sources.knows_host(host):
            return ""
        return f"http://{in_url(name)}:{self._front.port}"


def _purpose(port: int) -> str:
    return f"preview {port}"


def _check_source(environ: dict[str, Any], host: str) -> None:
    """Only pages of this very origin may ask; a person may open a page from anywhere."""
    origin = str(environ.get("HTTP_ORIGIN", ""))
    site = str(environ.get("HTTP_SEC_FETCH_SITE", ""))
    is_own = hosts.same_origin(origin, host) if origin else site in _OURS
    if origin == "null":  # of a form, where the page sends no referrer
        is_own = site == "same-origin"
    if _is_websocket(environ) and not origin:
        raise Refused(refusals.FOREIGN)
    if is_own and site in _OURS:
        return
    if not _is_opened(environ):
        raise Refused(refusals.FOREIGN)


def _is_opened(environ: dict[str, Any]) -> bool:
    """Whether a person follows a link, in a window of its own."""
    return (
        environ["REQUEST_METHOD"] in SAFE_METHODS
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )


def _is_websocket(environ: dict[str, Any]) -> bool:
    upgrade = str(environ.get("HTTP_UPGRADE", "")).lower()
    return environ["REQUEST_METHOD"] == "GET" and upgrade == "websocket"


def _is_preflight(environ: dict[str, Any]) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def _preflight(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """A page without an origin asks before each request that is more than a form's."""
    allowed: Headers = [
        ("Access-Control-Allow-Origin", "null"),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ]
    wanted = str(environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))
    if wanted:
        allowed.append(("Access-Control-Allow-Headers", wanted))
    start_response("204 No Content", [*allowed, ("Cache-Control", "no-store")])
    return []
