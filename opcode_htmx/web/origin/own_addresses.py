"""The addresses of this machine itself; knows nothing of logins.

A browser sends a cookie to every port of a host. So another server on this machine may get our
cookie, and use it, but only from here.
"""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address, ip_interface

import psutil

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.web.origin.hosts import ip_of

VIRTUAL_INTERFACES = ("docker", "br-", "veth", "virbr", "vmnet", "bridge", "cni", "lxc")
"""Prefixes of the interfaces of containers and virtual machines."""
FRESH_SECONDS = 60.0

_Address = IPv4Address | IPv6Address


@dataclass
class _Known:
    until: float = 0.0
    addresses: frozenset[_Address] = frozenset()
    networks: tuple[tuple[int, int], ...] = ()
    """The first and the last address of each, as numbers; IPv4 only."""


_known = _Known()


def is_own(address: str) -> bool:
    """Whether a connection from there comes from a program on this machine."""
    ip = ip_of(address)
    if ip is None:
        return False
    if ip.is_loopback:
        return True
    if time.monotonic() > _known.until:
        _refresh()
    inside = isinstance(ip, IPv4Address) and any(
        first <= int(ip) <= last for first, last in _known.networks
    )
    return inside or ip in _known.addresses


def _refresh() -> None:
    addresses, networks = set[_Address](), list[tuple[int, int]]()
    for name, entries in psutil.net_if_addrs().items():
        for entry in entries:
            ip = ip_of(entry.address)
            if ip is None:  # an interface has hardware addresses, too
                continue
            addresses.add(ip)
            if isinstance(ip, IPv4Address) and name.startswith(VIRTUAL_INTERFACES):
                network = ip_interface(f"{ip}/{entry.netmask or 32}").network
                networks.append((int(network[0]), int(network[-1])))
    _known.addresses, _known.networks = frozenset(addresses), tuple(networks)
    _known.until = time.monotonic() + FRESH_SECONDS
