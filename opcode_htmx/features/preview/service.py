"""Open and close previews of a session's dev servers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from flask import url_for

from opcode_htmx.features.preview.addresses import Addresses
from opcode_htmx.features.preview.openings import Openings
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.dev_servers.servers import DevServer, DevServers


@dataclass(frozen=True, slots=True)
class Preview:
    """A dev server as its session's page shows it."""

    server: DevServer
    is_open: bool
    address: str
    """Its origin, if it is shown at one; else empty."""


class Previews:
    """What the pages and the API do."""

    def __init__(
        self, servers: DevServers, openings: Openings, addresses: Addresses, entrance: str
    ) -> None:
        """`entrance`: the path where a port gives a cookie of its own; empty if it needs none."""
        self.servers = servers
        self._openings = openings
        self._addresses = addresses
        self._entrance = entrance

    def of_session(self, session_id: str) -> list[Preview]:
        """By port."""
        return [self._preview(each) for each in self.servers.of_session(session_id)]

    def origins(self) -> Sequence[str]:
        """Those that a preview may be opened at; none where only the sandbox is reached."""
        return list(self._addresses.ports().values())

    def address_of(self, preview: Preview, path: str) -> str:
        """The address of a path of a preview; empty if the preview has no origin of its own."""
        return preview.address and f"{preview.address}{self._at_origin(path)}"

    def open(
        self, server: DevServer, login: str, by: Identity, *, in_sandbox: bool, path: str = "/"
    ) -> str:
        """Open a preview; the address of the path in it. Raises NoRoom and OSError."""
        ports = self._addresses.ports()
        is_own = bool(ports) and not in_sandbox
        if is_own:
            origin = ports[self._openings.open_at_port(server, list(ports))]
            address = f"{origin}{self._at_origin(path)}"
        else:
            given = self._openings.open_by_pass(server, login)
            address = f"{url_for('preview.of_port', port=server.port)}/{given}{path}"
        log_act(
            by,
            "preview.open",
            session=server.session_id,
            run=server.run_id,
            port=server.port,
            sandbox=not is_own,
        )
        return address

    def close(self, server: DevServer, by: Identity) -> None:
        """End its previews. Raises OSError."""
        self._openings.close(server)
        log_act(by, "preview.close", session=server.session_id, run=server.run_id, port=server.port)

    def _at_origin(self, path: str) -> str:
        """The path that a browser is led to: where it needs a cookie, by the entrance."""
        return f"{self._entrance}?to={quote(path, safe='')}" if self._entrance else path

    def _preview(self, server: DevServer) -> Preview:
        ports = self._addresses.ports()
        shown = self._openings.port_of(server, list(ports))
        return Preview(server, self._openings.is_open(server), ports.get(shown or 0, ""))
