"""Check for a firewall, which may keep the devices of the network from the server's port."""

from __future__ import annotations

import contextlib
import shlex
import sys
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import psutil

from opcode_htmx.config.settings import Settings
from opcode_htmx.sessions.health import tools
from opcode_htmx.sessions.health.check import Finding, State
from opcode_htmx.sessions.health.network import is_local
from opcode_htmx.web.origin import server_addresses


def firewall(settings: Settings) -> Finding:
    """Which firewall is at work, and the command that lets the network through to the port."""
    if is_local(settings):
        return Finding(
            State.OK, "The server listens on this machine only, where no firewall is in the way."
        )
    number, network = settings.port, _network()
    for name, is_on, command in (
        ("ufw", _ufw, f"sudo ufw allow from {network} to any port {number} proto tcp"),
        (
            "firewalld",
            _firewalld,
            f"sudo firewall-cmd --permanent --add-port={number}/tcp && sudo firewall-cmd --reload",
        ),
        (
            "nftables",
            _nftables,
            f"sudo nft add rule inet filter input ip saddr {network} tcp dport {number} accept",
        ),
        (
            "the firewall of macOS",
            _of_macos,
            "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp "
            + shlex.quote(sys.executable),
        ),
    ):
        if is_on():
            return Finding(
                State.HINT,
                f"{name[:1].upper() + name[1:] if ' ' in name else name} is on. Whether it lets "
                f"devices through to port {number}, only root can see.",
                "If a phone in your network cannot open the page, let it through.",
                command,
            )
    return Finding(State.OK, "No firewall was found on this machine.")


def _network() -> str:
    """The network of this machine's best address, as far as it is known without its mask."""
    with contextlib.suppress(IndexError, ValueError):
        address = server_addresses.lan_addresses()[0]
        for entries in psutil.net_if_addrs().values():
            for entry in entries:
                if entry.address == address and entry.netmask:
                    found = ip_network(f"{address}/{entry.netmask}", strict=False)
                    return str(found) if isinstance(found, IPv4Network) else "any"
    return "192.168.0.0/16"


def _ufw() -> bool:
    with contextlib.suppress(OSError):
        text = Path("/etc/ufw/ufw.conf").read_text("utf-8", "replace")
        return any(line.strip().lower() == "enabled=yes" for line in text.splitlines())
    return False


def _is_active(service: str) -> bool:
    output = tools.ask("systemctl", "is-active", service)
    return output is not None and output.text == "active"


def _firewalld() -> bool:
    return tools.path_of("firewall-cmd") is not None and _is_active("firewalld")


def _nftables() -> bool:
    return tools.path_of("nft") is not None and _is_active("nftables")


def _of_macos() -> bool:
    if sys.platform != "darwin":
        return False
    output = tools.ask("/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate")
    return output is not None and "enabled" in output.text
