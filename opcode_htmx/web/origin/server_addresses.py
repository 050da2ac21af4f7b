"""The addresses under which browsers reach this server, and the one that a phone should open."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address
from urllib.parse import urlsplit

import psutil

from opcode_htmx.web.origin.hosts import host_name
from opcode_htmx.web.origin.own_addresses import VIRTUAL_INTERFACES

TUNNELS = ("tun", "tap", "wg", "utun", "tailscale", "zt", "ppp", "ipsec", "nordlynx", "proton")
"""Prefixes of the interfaces of VPNs: a phone in the same room may not be in the same VPN."""

_ANYWHERE = "192.0.2.1"
"""An address for documentation, behind the default route; nothing is sent to it."""


def addresses(host: str, port: int, base_path: str) -> Iterator[tuple[str, str]]:
    """The addresses of a server that listens on `host`: (label, URL), this machine first."""
    try:
        ip = ip_address(host)
    except ValueError:
        yield "Address", f"http://{host}:{port}{base_path}/"
        return
    if not ip.is_unspecified:
        label = "This machine" if ip.is_loopback else "Your network"
        yield label, f"http://{in_url(host)}:{port}{base_path}/"
        return
    yield "This machine", f"http://localhost:{port}{base_path}/"
    found = lan_addresses()
    yield from (("Your network", f"http://{address}:{port}{base_path}/") for address in found)
    if not found:
        yield "Your network", "no address found; is this machine connected?"


def for_devices(host: str, port: int, base_path: str) -> list[str]:
    """The URLs for other devices, the one that most probably works first; at least one.

    Where the server listens on this machine only, or has no address in a network, that is
    127.0.0.1.
    """
    if not _is_unspecified(host):
        return [f"http://{in_url(host)}:{port}{base_path}/"]
    found = lan_addresses() or ["127.0.0.1"]
    return [f"http://{address}:{port}{base_path}/" for address in found]


def for_devices_of(origin: str, host: str, port: int, base_path: str) -> list[str]:
    """The same, for somebody who came by `origin` (`https://box.lan`), which is known to work.

    It comes first, unless it names this machine as itself only.
    """
    known, own = for_devices(host, port, base_path), f"{origin}{base_path}/"
    if is_for_this_machine(origin):
        return known if _is_unspecified(host) else [own]
    return [own, *(url for url in known if url != own and not _is_local(url))]


def is_for_this_machine(url: str) -> bool:
    """Whether no other device can open a URL."""
    return _is_local(url)


def lan_addresses() -> list[str]:
    """Private IPv4 addresses of the interfaces that are up, except virtual ones, the best first.

    The address of the default route is the best, and those of VPNs come last.
    """
    states = psutil.net_if_stats()
    found = [
        (name, entry.address)
        for name, entries in psutil.net_if_addrs().items()
        if not name.startswith(VIRTUAL_INTERFACES) and name in states and states[name].isup
        for entry in entries
        if entry.family == socket.AF_INET and is_lan(entry.address)
    ]
    default = _address_of_default_route()
    found.sort(key=lambda each: (each[0].startswith(TUNNELS), each[1] != default))
    return [address for _, address in found]


def is_lan(address: str) -> bool:
    """Whether an IPv4 address is one of a private network."""
    ip = IPv4Address(address)
    return ip.is_private and not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)


def in_url(host: str) -> str:
    """A host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def _address_of_default_route() -> str:
    """This machine's address on its default route; empty without one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((_ANYWHERE, 9))  # of a datagram socket: looks up the route, and sends nothing
        address: str = probe.getsockname()[0]
        return address
    return ""


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_local(url: str) -> bool:
    name = host_name(urlsplit(url).netloc) or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
