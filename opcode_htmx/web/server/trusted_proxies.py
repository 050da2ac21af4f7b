"""Take the client's address from X-Forwarded-For, where a trusted proxy has sent the request.

The worker believes X-Forwarded-Proto of the same proxies (gunicorn.conf.py), and of this machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING

from flask import Flask, request

from opcode_htmx.web.origin.hosts import ip_of
from opcode_htmx.web.server import connections

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

Networks = Sequence[IPv4Network | IPv6Network]

MOST_HOPS = 20
"""Addresses of a header that are looked at: more proxies than anybody has in a row."""
IS_PROXY = "opcode.is_proxy"
"""In the environment of a request: whether a trusted proxy has sent it."""
LONGEST = 64
"""Characters of an address, with a port and the zone of a link-local one."""


class TrustedProxies:
    """A WSGI application whose REMOTE_ADDR is the client's, not that of a trusted proxy."""

    def __init__(self, app: WSGIApplication, proxies: Networks) -> None:
        self._app = app
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR", "")
        environ[IS_PROXY] = _is_in(peer, self._proxies)
        sent = environ.get("HTTP_X_FORWARDED_FOR")
        if sent:
            client = environ["REMOTE_ADDR"] = client_address(peer, sent, self._proxies)
            connections.comes_from(client)
        return self._app(environ, start_response)


def register(app: Flask, proxies: Networks) -> None:
    """Believe these proxies; without any, X-Forwarded-For is ignored, with a hint in the log.

    This machine's own is not believed unasked: any program on it could claim another address, and
    use a cookie that it has copied (see web/auth/visitors.py).
    """
    if proxies:
        app.wsgi_app = TrustedProxies(app.wsgi_app, proxies)  # type: ignore[method-assign]
        return
    hinted = False

    @app.before_request
    def hint() -> None:
        nonlocal hinted
        if hinted or "HTTP_X_FORWARDED_FOR" not in request.environ:
            return
        if request.endpoint == "access.log_in":
            hinted = True
            log.warning(
                "A login came through a proxy at %s that is not named in OPCODE_TRUSTED_PROXIES: "
                "the failed logins of all its clients count as those of one.",
                request.remote_addr,
            )


def client_address(peer: str, forwarded_for: str, proxies: Networks) -> str:
    """Where a request comes from: `peer`, unless it is a trusted proxy.

    Each proxy appends the address that it was asked by, so the header is read from its end. The
    first address that is no trusted proxy is the client's; what stands before it may be made up.
    """
    client = peer
    for hop in reversed(forwarded_for.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        if not _is_in(client, proxies):
            return client
        address = _address(hop) if len(hop) <= LONGEST else None
        if address is None:
            return client
        client = address
    return client


def _is_in(address: str, proxies: Networks) -> bool:
    ip = ip_of(address)
    return ip is not None and any(ip in network for network in proxies)


@lru_cache(maxsize=1024)
def _address(hop: str) -> str | None:
    """An address in the header, without the port that some proxies add; None if it is none."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
