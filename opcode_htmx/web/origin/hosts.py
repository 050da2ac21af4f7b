"""Judge addresses and Host and Origin headers; pure functions, no request and no settings here."""

import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from opcode_htmx.lib.late.patterns import late_pattern

_HOST = late_pattern(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def host_name(host: str) -> str | None:
    """The lower-case name in a Host header, without port and brackets; None if malformed."""
    match = _HOST.fullmatch(host)
    return match["name"].strip("[]").rstrip(".").lower() if match else None


def is_ip_literal(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """An address without its zone, as IPv4 if it stands for one; None if it is none."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def own_names() -> frozenset[str]:
    """Names of this machine that need no configuration."""
    name = socket.gethostname().lower().rstrip(".")
    short = name.partition(".")[0]
    return frozenset({"localhost", name, short, f"{short}.local"} - {"", ".local"})


def named_hosts(entries: Iterable[str]) -> frozenset[str]:
    """The names in hosts and origins (`box.lan`, `box.lan:8080`, `https://box.lan`)."""
    names = (host_name(urlsplit(e).netloc if "//" in e else e) for e in entries)
    return frozenset(name for name in names if name)


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host (and port) that the request was sent to.

    The scheme is left out, because a proxy may end TLS in front of this server.
    """
    parts = urlsplit(origin)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.netloc:
        return False
    return _without_port(parts.netloc, default) == _without_port(host, default)


def normal_origin(origin: str) -> str:
    """An origin in the form in which browsers send it."""
    parts = urlsplit(origin.strip())
    netloc = _without_port(parts.netloc, _DEFAULT_PORTS.get(parts.scheme, ""))
    return f"{parts.scheme}://{netloc}"


def _without_port(netloc: str, port: str) -> str:
    return netloc.lower().removesuffix(f":{port}")
