"""Which address a phone should open: of the local network, before that of a VPN, never loopback."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from opcode_htmx.web.origin import server_addresses
from opcode_htmx.web.origin.server_addresses import for_devices, for_devices_of, lan_addresses

INTERFACES = {
    "lo": "127.0.0.1",
    "docker0": "172.17.0.1",
    "tun0": "10.8.0.2",
    "eth0": "10.0.0.5",
    "wlan0": "192.168.1.5",
    "down0": "192.168.9.9",
    "wan0": "8.8.4.4",
}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The interfaces of a machine, and its default route; a test may change them."""
    machine = {**INTERFACES, "default": "192.168.1.5"}

    def entries() -> dict[str, list[SimpleNamespace]]:
        return {
            name: [SimpleNamespace(family=socket.AF_INET, address=address)]
            for name, address in machine.items()
            if name != "default"
        }

    monkeypatch.setattr("psutil.net_if_addrs", entries)
    monkeypatch.setattr(
        "psutil.net_if_stats",
        lambda: {name: SimpleNamespace(isup=name != "down0") for name in machine},
    )
    monkeypatch.setattr(server_addresses, "_address_of_default_route", lambda: machine["default"])
    return machine


def test_the_default_route_comes_first_and_vpns_last(network: dict[str, str]) -> None:
    assert lan_addresses() == ["192.168.1.5", "10.0.0.5", "10.8.0.2"]
    network["default"] = "10.0.0.5"
    assert lan_addresses() == ["10.0.0.5", "192.168.1.5", "10.8.0.2"]
    network["default"] = "10.8.0.2"  # a VPN that takes all traffic: the phone is not in it
    assert lan_addresses() == ["10.0.0.5", "192.168.1.5", "10.8.0.2"]


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("127.0.0.1", ["http://127.0.0.1:8080/"]),
        ("::1", ["http://[::1]:8080/"]),
        ("localhost", ["http://localhost:8080/"]),
        ("192.168.1.5", ["http://192.168.1.5:8080/"]),
        (
            "0.0.0.0",
            ["http://192.168.1.5:8080/", "http://10.0.0.5:8080/", "http://10.8.0.2:8080/"],
        ),
    ],
)
@pytest.mark.usefixtures("network")
def test_a_server_is_opened_where_it_listens(host: str, urls: list[str]) -> None:
    assert for_devices(host, 8080, "") == urls


def test_without_a_network_only_this_machine_is_left(network: dict[str, str]) -> None:
    for name in ("tun0", "eth0", "wlan0"):
        del network[name]
    assert for_devices("0.0.0.0", 8080, "") == ["http://127.0.0.1:8080/"]
    assert server_addresses.is_for_this_machine("http://127.0.0.1:8080/")


@pytest.mark.parametrize(
    ("origin", "host", "first"),
    [
        ("http://localhost:8080", "0.0.0.0", "http://192.168.1.5:8080/"),
        ("http://127.0.0.1:8080", "::", "http://192.168.1.5:8080/"),
        ("http://10.0.0.5:8080", "0.0.0.0", "http://10.0.0.5:8080/"),
        ("https://box.tailnet.ts.net", "127.0.0.1", "https://box.tailnet.ts.net/"),
        ("http://localhost:8080", "127.0.0.1", "http://localhost:8080/"),
        ("http://[::1]:8080", "::1", "http://[::1]:8080/"),
    ],
)
@pytest.mark.usefixtures("network")
def test_an_address_that_is_known_to_work_comes_first(origin: str, host: str, first: str) -> None:
    urls = for_devices_of(origin, host, 8080, "")
    assert urls[0] == first
    assert len(urls) == len(set(urls))
    assert not any("127.0.0.1" in url for url in urls[1:])


@pytest.mark.usefixtures("network")
def test_every_address_has_the_base_path() -> None:
    below = {"base_path": "/opcode"}
    urls = [url for _, url in server_addresses.addresses("0.0.0.0", 8080, **below)]
    urls += for_devices("0.0.0.0", 8080, **below)
    urls += for_devices("192.168.1.5", 8080, **below)
    urls += for_devices_of("https://box.lan", "127.0.0.1", 8080, **below)
    urls += for_devices_of("http://10.0.0.5:8080", "0.0.0.0", 8080, **below)
    assert len(urls) > 8
    assert {urlsplit(url).path for url in urls} == {"/opcode/"}


def test_the_default_route_is_an_address_of_this_machine_or_unknown() -> None:
    found = server_addresses._address_of_default_route()
    assert not found or socket.inet_aton(found)
