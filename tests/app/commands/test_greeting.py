"""What the launcher prints: how to log in, the demo, and the addresses."""

from pathlib import Path

import pytest

from opcode_htmx.app import cli
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.web.origin import server_addresses
from tests.app.commands.fake_cli import install_cli


def launched(home: Path, demo: bool, **environ: str) -> cli.Launch:
    settings = Settings.from_env({"HOME": str(home), "PATH": f"{home}/bin", **environ})
    binary = cli_binary.Binary(home / "bin" / "claude", (2, 2, 0))
    return cli.Launch(settings, binary, demo, "the-password")


def test_the_greeting_names_the_way_to_log_in(tmp_path: Path) -> None:
    text = "\n".join(cli.greeting(launched(tmp_path, demo=True)))
    assert f"run `{tmp_path}/bin/claude auth login` and start again" in text


def test_the_greeting_uses_the_short_command_when_path_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    install_cli(tmp_path / "bin" / "claude", "2.2.0")
    text = "\n".join(cli.greeting(launched(tmp_path, demo=True)))
    assert "run `claude auth login` and start again" in text


def test_the_printed_addresses_have_the_base_path(tmp_path: Path) -> None:
    launch = launched(tmp_path, demo=False, OPCODE_BASE_PATH="/opcode")
    port = launch.settings.port
    assert f"http://localhost:{port}/opcode/\n" in "\n".join(cli.greeting(launch))


def test_a_forced_demo_is_not_blamed_on_the_login(tmp_path: Path) -> None:
    text = "\n".join(cli.greeting(launched(tmp_path, demo=True, OPCODE_DEMO="1")))
    assert "OPCODE_DEMO is 1" in text
    assert "not logged in" not in text


def test_without_demo_mode_nothing_is_said_about_it(tmp_path: Path) -> None:
    assert "Demo" not in "\n".join(cli.greeting(launched(tmp_path, demo=False)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_on_loopback_only_this_machine_is_named(host: str) -> None:
    assert [label for label, _ in server_addresses.addresses(host, 8080, "")] == ["This machine"]


def test_an_ipv6_address_is_bracketed() -> None:
    assert list(server_addresses.addresses("::1", 8080, "")) == [
        ("This machine", "http://[::1]:8080/")
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_on_all_interfaces_the_network_is_named_too(host: str) -> None:
    here, *network = server_addresses.addresses(host, 8080, "")
    assert here == ("This machine", "http://localhost:8080/")
    assert network
    assert {label for label, _ in network} == {"Your network"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.168.1.7", True),
        ("10.0.0.7", True),
        ("172.16.0.7", True),
        ("127.0.0.1", False),
        ("169.254.3.3", False),
        ("8.8.8.8", False),
        ("0.0.0.0", False),
    ],
)
def test_only_private_addresses_count_as_the_local_network(address: str, expected: bool) -> None:
    assert server_addresses.is_lan(address) is expected
