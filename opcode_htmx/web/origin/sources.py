"""Judge where a request comes from: the Host it asks for, and the origin of the page that sent it.

Raises HTTP exceptions with a sentence. Knows nothing of logins.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import request
from werkzeug.exceptions import Forbidden, MisdirectedRequest

from opcode_htmx.web.origin import fetch_metadata, hosts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN = "This request came from another site and was refused."


class Sources:
    """The names and origins that are allowed, and the checks of a request against them."""

    def __init__(
        self, allowed_origins: Iterable[str] = (), allowed_hosts: Iterable[str] = ()
    ) -> None:
        allowed_origins = tuple(allowed_origins)
        self._origins = frozenset(hosts.normal_origin(o) for o in allowed_origins)
        self._hosts = (
            hosts.own_names()
            | hosts.named_hosts(allowed_hosts)
            | hosts.named_hosts(allowed_origins)
        )

    def check_host(self) -> None:
        """Refuse unknown names: DNS rebinding turns any web page into a same-origin one."""
        if not self.knows_host(request.environ.get("HTTP_HOST", "")):
            raise MisdirectedRequest(
                "This address is not known here: open the page by IP address, or add this name "
                "to OPCODE_ALLOWED_HOSTS and restart."
            )

    def knows_host(self, host: str) -> bool:
        """Whether the value of a Host header names this server: any IP address, or a known name."""
        name = hosts.host_name(host)
        return name is not None and (hosts.is_ip_literal(name) or name in self._hosts)

    def check_source(self, *, is_for_everybody: bool) -> None:
        """Refuse requests from a page of another origin, so also of another port of this host.

        Links may be followed from anywhere, and public resources may be loaded into any page.
        Requests of an allowed origin are judged later, by the gate.
        """
        sent = request.headers.get("Origin")
        if sent is not None and sent.lower() in self._origins:
            return
        changes = request.method not in SAFE_METHODS
        if changes and sent is not None and not self.origin_allowed(sent):
            raise Forbidden(FOREIGN)
        if not fetch_metadata.is_foreign(request.headers):
            return
        if not changes and is_for_everybody:
            return
        if not fetch_metadata.is_opened_as_page(request.method, request.headers):
            raise Forbidden(FOREIGN)

    def origin_allowed(self, sent: str) -> bool:
        if sent.lower() in self._origins:
            return True
        # Over https, http under the same name is another port
        is_plain = request.is_secure and sent.lower().startswith("http:")
        return not is_plain and hosts.same_origin(sent, request.environ.get("HTTP_HOST", ""))

    def shared_with(self) -> str | None:
        """The origin of the request, if it is another one whose pages may use the API."""
        sent = request.headers.get("Origin", "")
        return sent if sent.lower() in self._origins else None
