"""The addresses under which the browser that asks reaches the ports for previews."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import request

from opcode_htmx.web.origin import hosts
from opcode_htmx.web.origin.server_addresses import in_url
from opcode_htmx.web.server import preview_ports


class Addresses:
    """Addresses of previews, as seen from the current request."""

    def __init__(self, app_port: int, origins: Sequence[str]) -> None:
        """`origins`: those of the ports, in order, where a proxy is in front of them."""
        self._app_port = app_port
        self._origins = origins

    def ports(self) -> dict[int, str]:
        """The ports that this browser reaches, with their origins.

        The browser must send the cookie of its login there, so the host name is that of the app.
        Behind a proxy that nothing is known of there are none.
        """
        name = hosts.host_name(request.environ.get("HTTP_HOST", ""))
        listening = preview_ports.listening()
        if not name:
            return {}
        if self._origins:
            given = zip(listening, self._origins, strict=False)
            return {port: each for port, each in given if _is_usable(each, name)}
        if request.is_secure or (_port_of_request() or 80) != self._app_port:
            return {}
        return {port: f"http://{in_url(name)}:{port}" for port in listening}


def _is_usable(origin: str, name: str) -> bool:
    parts = urlsplit(origin)
    is_sent = parts.scheme == "https" or not request.is_secure
    return is_sent and (parts.hostname or "").rstrip(".") == name


def _port_of_request() -> int:
    _, colon, port = request.environ.get("HTTP_HOST", "").rpartition(":")
    return int(port) if colon and port.isdecimal() else 0
