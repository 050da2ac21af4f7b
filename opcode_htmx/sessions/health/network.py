"""Checks of the network: who listens on the port, and how browsers come in."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
from collections.abc import Iterator
from ipaddress import ip_address

import psutil

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.sessions.health.check import Finding, State
from opcode_htmx.web.origin import server_addresses
from opcode_htmx.web.server import preview_ports

_ANSWER_SECONDS = 2.0
_HTTPS = "tailscale serve --bg {port}"
_LOST = (
    "Browsers do not install the app there, show no notifications and listen to no microphone, and "
    "anyone on the same network can read everything, the password included"
)


def port(settings: Settings) -> Finding:
    """Whether this server, another program or nothing listens on the port, and for whom."""
    number = settings.port
    listeners = run_in_thread(lambda: list(_listeners(number)))
    facts = {"Port": str(number), "HOST": settings.host}
    if listeners:
        facts["Listening"] = ", ".join(listeners)
    if _is_ours(settings):
        return Finding(
            State.OK, f"The server answers on port {number}. {_for_whom(settings)}", facts=facts
        )
    refusal = preview_ports.refusal(settings.host, number)
    if refusal == errno.EADDRINUSE:
        free = _free_port(settings, number)
        return Finding(
            State.PROBLEM,
            f"Port {number} is taken by another program, or the server does not answer.",
            "Stop what listens there, or choose another port in PORT.",
            f"PORT={free} {resources.START}",
            facts,
        )
    if refusal == errno.EACCES:
        return Finding(
            State.PROBLEM,
            f"Port {number} needs special rights.",
            "Choose one above 1023 in PORT.",
            f"PORT=8080 {resources.START}",
            facts,
        )
    if refusal:
        return Finding(
            State.PROBLEM,
            f"HOST names {settings.host}, which is not an address of this machine.",
            "Correct HOST, or unset it to listen on all addresses.",
            f"HOST=0.0.0.0 {resources.START}",
            facts,
        )
    return Finding(
        State.OK, f"Port {number} is free; no server runs. {_for_whom(settings)}", facts=facts
    )


def is_local(settings: Settings) -> bool:
    """Whether the server listens on this machine only."""
    return server_addresses.is_for_this_machine(f"http://{server_addresses.in_url(settings.host)}")


def _for_whom(settings: Settings) -> str:
    if is_local(settings):
        return "Only this machine reaches it directly, as HOST says; others need a proxy here."
    return "Other devices in the network reach it."


def _is_ours(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(
        _own_host(settings), settings.port, timeout=_ANSWER_SECONDS
    )
    with contextlib.closing(connection):
        try:
            connection.request("GET", f"{settings.base_path}/healthz")
            answer = connection.getresponse()
            said = json.loads(answer.read(1024))
        except (OSError, http.client.HTTPException, ValueError):
            return False
    return answer.status == 200 and said == {"status": "ok"}


def _own_host(settings: Settings) -> str:
    """The address at which this machine reaches its server."""
    with contextlib.suppress(ValueError):
        ip = ip_address(settings.host)
        if ip.is_unspecified:
            return "127.0.0.1" if ip.version == 4 else "::1"
    return settings.host


def _free_port(settings: Settings, number: int) -> int:
    return next(
        (
            each
            for each in range(number + 1, min(number + 100, 65536))
            if preview_ports.is_free(settings.host, each)
        ),
        8081,
    )


def _listeners(number: int) -> Iterator[str]:
    """The addresses that are listened on, with the program where the system names it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # on macOS, for all but root
        return
    seen = set[tuple[str, str]]()
    for each in connections:
        if each.status != psutil.CONN_LISTEN or not each.laddr or each.laddr.port != number:
            continue
        name = ""
        with contextlib.suppress(psutil.Error):
            name = psutil.Process(each.pid).name() if each.pid else ""
        if (each.laddr.ip, name) not in seen:
            seen.add((each.laddr.ip, name))
            yield f"{each.laddr.ip}{f' ({name})' if name else ''}"


def tls(settings: Settings) -> Finding:
    """How browsers come in, as far as the settings say; see `tls_of_request`."""
    if is_local(settings):
        return Finding(
            State.OK,
            "The server itself speaks http, on this machine only; a proxy here can speak https.",
        )
    return Finding(
        State.HINT,
        f"Devices in the network come in by http. {_LOST}.",
        "Put a proxy with https in front, such as Tailscale's or Caddy.",
        _HTTPS.format(port=settings.port),
    )


def tls_of_request(settings: Settings, scheme: str, host: str) -> Finding:
    """How the browser that asks came in."""
    if scheme == "https":
        return Finding(State.OK, "This browser came in by https.")
    if server_addresses.is_for_this_machine(f"http://{host}"):
        return Finding(
            State.OK, "This browser is on the server's own machine, where http is enough."
        )
    return Finding(
        State.WARNING,
        f"This browser came in by http. {_LOST}.",
        "Put a proxy with https in front, such as Tailscale's or Caddy.",
        _HTTPS.format(port=settings.port),
    )
