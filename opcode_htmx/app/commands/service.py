"""`opcode-htmx service …`: install, steer and remove the server as a service of this user."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from opcode_htmx.app import cli, feature_settings
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.service import choice
from opcode_htmx.app.service.environment_file import BadEnvironment
from opcode_htmx.app.service.installation import Installation, ServiceError
from opcode_htmx.app.service.manager import Manager
from opcode_htmx.app.service.variables import kept
from opcode_htmx.config.settings import (
    Settings,
    absolute_paths,
    declared_variables,
    environment,
)
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.lib.version import __version__
from opcode_htmx.web.origin import server_addresses

LINES = 100
"""How many lines of the log are printed, unless another number is given."""


def main(arguments: Sequence[str]) -> int:
    """Do what the first argument says; the exit status."""
    try:
        match list(arguments):
            case ["run"]:
                return cli.start(as_service=True)
            case ["install"]:
                return _install(is_confined=True)
            case ["install", "--unconfined"]:
                return _install(is_confined=False)
            case ["status"]:
                return _status(_manager())
            case ["logs", *options]:
                return _logs(options)
            case ["start" | "stop" | "restart" | "uninstall" as act]:
                return _act(act, _manager())
    except (ServiceError, BadEnvironment, *cli.REFUSALS) as error:
        print(error, file=sys.stderr)
        return 1
    return USAGE_ERROR


def _folders(environ: dict[str, str]) -> tuple[Path, Path]:
    """The home folder, and that of programs' configuration. Raises SettingsError."""
    home = Settings.from_env(environ).home
    return home, Path(environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config")


def _manager() -> Manager:
    """The service manager, for what is installed. Raises ServiceError, SettingsError."""
    environ = environment()
    return choice.of_this_machine(Installation(*_folders(environ)), environ)


def _install(*, is_confined: bool) -> int:
    shell = environment()
    folders = _folders(shell)
    chosen = choice.of_this_machine(Installation(*folders), shell)
    chosen.check()
    before = chosen.settings()
    # Variables of an earlier installation stay, unless they are set otherwise now.
    environ = {**before, **{name: value for name, value in shell.items() if value.strip()}}
    models = feature_settings.load()
    settings = Settings.from_env(environ, models)
    declared = {each.name for each in declared_variables(models)}
    variables = kept(environ, settings.child_environment, declared)
    variables |= absolute_paths(settings, environ)
    installation = Installation(
        *folders,
        settings.host,
        settings.port,
        variables,
        is_confined,
    ).checked()
    address = _numeric(settings)
    if not chosen.listens_at(f"{server_addresses.in_url(address)}:{settings.port}"):
        cli.check_port(settings.host, settings.port)
    path = variables.get("PATH", os.defpath)
    claude = cli_binary.find(settings.claude_path, path, settings.home)
    chosen.install(installation, address)
    print(f"opcode-htmx {__version__} runs as a service, with Claude {claude.version_text}.")
    for label, url in server_addresses.addresses(settings.host, settings.port, settings.base_path):
        print(f"  {label:<15}{url}")
    print(f"  {'Settings':<15}{chosen.settings_file}")
    print("\n".join(chosen.advice()))
    return 0


def _numeric(settings: Settings) -> str:
    """The address that HOST means: systemd asks no resolver."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError:
        raise ServiceError(f"HOST names {settings.host}, which is not an address.") from None
    return str(found[0][4][0])


def _status(chosen: Manager) -> int:
    status = chosen.status()
    print("\n".join([*status.lines, *chosen.advice()]))
    return 0 if status.is_running else 1


def _logs(options: Sequence[str]) -> int:
    chosen = _manager()
    match list(options):
        case []:
            command = chosen.logs(LINES)
        case ["-f"]:
            command = chosen.follow(LINES)
        case [number] if number.isascii() and number.isdigit():
            command = chosen.logs(int(number))
        case _:
            return USAGE_ERROR
    sys.stdout.flush()
    try:
        os.execvp(command[0], [*command])  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise ServiceError(f"{command[0]} could not be started ({error.strerror}).") from None


def _act(act: str, chosen: Manager) -> int:
    acts: dict[str, tuple[Callable[[], None], str]] = {
        "start": (chosen.start, "The service runs."),
        "stop": (chosen.stop, "The service is stopped; runs of Claude go on."),
        "restart": (chosen.restart, "The service was started again; runs of Claude go on."),
        "uninstall": (
            chosen.uninstall,
            "The service and its settings are removed. Runs of Claude go on, and the state folder "
            "is as it was.",
        ),
    }
    do, words = acts[act]
    do()
    print(words)
    return 0
