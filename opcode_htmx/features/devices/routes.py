"""The page that shows a QR code, which logs in the device that scans it."""

from __future__ import annotations

import math
import time
from datetime import datetime
from urllib.parse import urlsplit

from flask import Blueprint, render_template, request, url_for

from opcode_htmx.lib import qr
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.web.auth.pairing import PairingCode, PairingCodes, grouped
from opcode_htmx.web.auth.visitor import current_identity, login_id
from opcode_htmx.web.origin import hosts, server_addresses
from opcode_htmx.web.server.base_path import base_path

BASIC = "basic"
"""The maker of codes for requests by HTTP Basic without a login."""


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code as the page shows it. Its secret is nowhere else."""

    id: str
    link: str
    """What the QR code holds."""
    typed: str
    """The secret in groups, for a device without a camera."""
    size: int
    """Modules across, with the quiet zone."""
    path: str
    """The SVG path of the dark modules."""
    seconds: int
    until: str
    """The computer's clock at its end, `14:32:10`."""


def blueprint(codes: PairingCodes, host: str, port: int) -> Blueprint:
    """Page `/devices`, of a server that listens on `host` and `port`."""
    pages = Blueprint("devices", __name__, url_prefix="/devices")

    def shown_with(code: ShownCode | None, urls: list[str]) -> str:
        return render_template(
            "devices/devices.html",
            code=code,
            url=urls[0],
            others=urls[1:],
            is_for_this_machine=server_addresses.is_for_this_machine(urls[0]),
        )

    @pages.get("")
    def page() -> str:
        return shown_with(None, _urls(host, port))

    @pages.post("")
    def show_code() -> str:
        secret, code = codes.create(login_id() or BASIC)
        log_act(current_identity(), "device.code")
        urls = _urls(host, port)
        return shown_with(_shown(secret, code, urls[0]), urls)

    @pages.get("/state")
    def state() -> str:
        """What has become of the code with the id `code`: a part of the page."""
        found = codes.state(request.args.get("code", ""))
        return render_template("devices/state.html", state=found)

    return pages


def _urls(host: str, port: int) -> list[str]:
    """The app's URLs for other devices, that of this request first if they can use it."""
    sent = request.headers.get("Origin", "")
    # A proxy may end TLS, which only the browser knows
    is_own = hosts.same_origin(sent, request.host)
    origin = sent.lower() if is_own else request.host_url.rstrip("/")
    return server_addresses.for_devices_of(origin, host, port, base_path())


def _shown(secret: str, code: PairingCode, url: str) -> ShownCode:
    link = f"{urlsplit(url)._replace(path=url_for('pairing.page')).geturl()}#{secret}"
    rows = qr.encode(link)
    return ShownCode(
        id=code.id,
        link=link,
        typed=grouped(secret),
        size=len(rows),
        path=qr.svg_path(rows),
        seconds=max(0, math.floor(code.expires - time.time())),
        until=f"{datetime.fromtimestamp(code.expires).astimezone():%H:%M:%S}",
    )
