"""The launcher: check the environment, print the addresses and the login, exec gunicorn.

Does not import Flask. The server takes over the decisions made here.
"""

import contextlib
import errno
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from opcode_htmx.app import feature_settings, standard_streams
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.commands.registry import COMMANDS
from opcode_htmx.app.pairing import terminal
from opcode_htmx.app.service.activation import SocketMismatch, is_passed
from opcode_htmx.config import credentials, state_format, state_use
from opcode_htmx.config.settings import (
    NEWEST_CLAUDE,
    Settings,
    SettingsError,
    declared_variables,
    environment,
    work_in,
)
from opcode_htmx.engines.claude.install import chosen, cli_binary
from opcode_htmx.engines.claude.install.known_login import KnownLogin
from opcode_htmx.lib import resources
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_dir import StateError, ensure_state_dir
from opcode_htmx.lib.version import __version__
from opcode_htmx.web.origin.server_addresses import addresses
from opcode_htmx.web.server import preview_ports

BROWSER_FILES = ("htmx.min.js", "hx-ws.min.js", "hx-upsert.min.js")
USAGE = f"usage: opcode-htmx [{' | '.join(each.name for each in COMMANDS)} | --help | --version]"
MAX_OPEN_FILES = 65536
PORT_PATIENCE = 2.0  # seconds; a killed server releases its port a little later
RETRY_SECONDS = 5.0
"""How long a service that cannot start waits: one phone that tries to connect would have systemd
start it again at once, for ever."""


class LaunchError(Exception):
    """The server cannot start; the message is one sentence with the remedy."""


REFUSALS = (LaunchError, SettingsError, StateError, cli_binary.BinaryError, SocketMismatch)


@dataclass(frozen=True, slots=True)
class Launch:
    """The decisions made before the server starts."""

    settings: Settings
    binary: cli_binary.Binary
    demo: bool
    password: str
    confirmed: bool = True
    """False for a login that is only remembered: the server asks for it when it listens."""
    is_newest: bool = False
    """Whether the CLI is the newest one, and neither named nor chosen by a person."""


def main(argv: Sequence[str]) -> int:
    """Replace this process by the server; return an exit status only when that fails."""
    standard_streams.open_closed()
    if argv:
        return print_answer_or_error(argv)
    return start()


def start(*, as_service: bool = False) -> int:
    """Replace this process by the server. A service prints no secret, as its output is logged."""
    try:
        settings = Settings.from_env()
        if settings.unknown:  # some may be of features, which take time to import
            settings = Settings.from_env(feature_settings=feature_settings.load())
        # Python and gunicorn import modules from the current folder, which may be any folder, and
        # the Claude CLI reads a project's settings there.
        work_in(resources.FOLDER, settings)
        launch = preflight(settings)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        if as_service:
            sys.stderr.flush()
            time.sleep(RETRY_SECONDS)
        return 1
    except KeyboardInterrupt:
        return 130
    allow_many_files()
    for name in launch.settings.unknown:
        print(f"{name} is not a setting of this version and is ignored.", file=sys.stderr)
    about = about_pairing(launch.settings)
    print("\n".join(greeting(launch, about, as_service=as_service)), flush=True)
    return serve(launch)


def about_pairing(settings: Settings) -> list[str]:
    """The lines about logging in a phone by a QR code; none if no code can be stored."""
    try:
        return list(terminal.at_start(settings, terminal.screen()))
    except OSError as error:
        return [f"No QR code can be shown ({error.strerror})."]


def print_answer_or_error(arguments: Sequence[str]) -> int:
    """The same as `print_answer`, but 1 if not all of the answer could be printed."""
    standard_streams.buffer_output()
    try:
        status = print_answer(arguments)
    except OSError:
        if not (error := standard_streams.flush_output()):
            raise
    else:
        if not (error := standard_streams.flush_output()):
            return status
    if not isinstance(error, BrokenPipeError):  # as after `| head`: its reader has enough
        print(f"The output could not be written ({error.strerror}).", file=sys.stderr)
    return 1


def print_answer(arguments: Sequence[str]) -> int:
    """Print the help or the version, or run a command; return the exit status."""
    commands = {each.name: each for each in COMMANDS}
    match list(arguments):
        case ["-h" | "--help"]:
            print("\n".join(help_lines()))
        case ["--version"]:
            print(f"opcode-htmx {__version__}")
        case [name, *rest] if name in commands:
            return commands[name].run(rest)
        case _:
            print(
                f"{USAGE}\nThere are no other arguments; settings are environment variables, "
                "which --help lists.",
                file=sys.stderr,
            )
            return USAGE_ERROR
    return 0


def help_lines() -> Iterator[str]:
    """The output of --help: every setting with its default, and where to read more."""
    yield USAGE
    yield ""
    yield "Serve the Claude Code of this computer to the browsers in your network."
    yield "Prints the addresses, the user and the password. Stop with Ctrl-C; runs of Claude go on."
    yield ""
    for command in COMMANDS:
        yield f"  {command.synopsis}"
        yield f"      {command.summary}"
    yield ""
    yield "Settings are environment variables, as in `PORT=9000 opcode-htmx`. With their defaults:"
    yield ""
    variables = declared_variables(feature_settings.load())
    yield from (f"  {each.name:<28}{each.default}".rstrip() for each in variables)
    yield ""
    yield f"What they mean: {resources.CONFIGURATION_GUIDE}"


def allow_many_files() -> None:
    """Raise the limit of open files, as far as this user may.

    Each viewer needs one, and each run several; many systems start with 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MAX_OPEN_FILES) if hard != resource.RLIM_INFINITY else MAX_OPEN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def preflight(settings: Settings) -> Launch:
    """Check everything that the server needs.

    Raises LaunchError, StateError or BinaryError for the first failed check.
    """
    state_use.check_restored(settings.state_dir)
    state_format.claim(ensure_state_dir(settings.state_dir))
    check_browser_files(resources.VENDOR)
    if not is_passed(environment(), settings.port):
        check_port(settings.host, settings.port)
    binary = chosen.find(settings)
    demo = settings.demo
    login = KnownLogin(settings.state_dir, binary, settings.child_environment)
    confirmed = demo is not None or not login.is_remembered()
    if demo is None:
        demo = confirmed and not login.ask()
    credentials.secret_key(settings)
    is_newest = settings.claude_path is None and chosen.read(settings.state_dir) is None
    return Launch(settings, binary, demo, credentials.password(settings), confirmed, is_newest)


def serve(launch: Launch) -> int:
    """Exec gunicorn, with the results of the checks in its environment, so none runs twice."""
    command = [sys.executable, "-m", "gunicorn"]
    command += ["-c", str(resources.GUNICORN_CONFIG), "--pythonpath", str(resources.FOLDER)]
    command += ["app:app"]  # which binds what HOST, PORT and OPCODE_PREVIEW_PORTS say
    variables = environment()
    variables.pop(NEWEST_CLAUDE, None)
    if launch.is_newest:
        variables[NEWEST_CLAUDE] = str(launch.binary.path)
    if launch.confirmed:
        variables["OPCODE_DEMO"] = "1" if launch.demo else "0"
    try:
        os.execve(command[0], command, variables)  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"gunicorn could not be started ({error.strerror}).", file=sys.stderr)
        return 1


def check_browser_files(folder: Path) -> None:
    missing = [name for name in BROWSER_FILES if not (folder / name).is_file()]
    if missing:
        raise LaunchError(
            f"The browser file {missing[0]} is missing; run `make run` to fetch it, or install "
            "opcode-htmx again if this is no checkout."
        )


def check_port(host: str, port: int, patience: float = PORT_PATIENCE) -> None:
    """Bind once and release. Waits up to `patience` seconds for a port that is in use."""
    deadline = time.monotonic() + patience
    while number := preview_ports.refusal(host, port):
        if number != errno.EADDRINUSE or time.monotonic() >= deadline:
            raise LaunchError(_bind_failure(number, host, port))
        time.sleep(0.1)


def _bind_failure(number: int, host: str, port: int) -> str:
    if number == preview_ports.NO_ADDRESS:
        return f"HOST names {host}, which is not an address."
    if number == errno.EADDRINUSE:
        return f"Port {port} is taken; stop what listens there, or choose another one in PORT."
    if number == errno.EACCES:
        return f"Port {port} needs special rights; choose one above 1023 in PORT."
    if number == errno.EADDRNOTAVAIL:
        return f"HOST names {host}, which is not an address of this machine."
    return f"Nothing can listen on {host} port {port} ({os.strerror(number)})."


def greeting(
    launch: Launch, about_pairing: Sequence[str] = (), *, as_service: bool = False
) -> Iterator[str]:
    """The lines with the addresses, the user and the password, and those about pairing."""
    settings = launch.settings
    yield f"opcode-htmx, with Claude {launch.binary.version_text}"
    yield ""
    found = addresses(settings.host, settings.port, settings.base_path)
    yield from (f"  {label:<15}{url}" for label, url in found)
    yield f"  {'User':<15}{settings.user}"
    if settings.password is not None:
        shown = "from OPCODE_PASSWORD"
    else:
        shown = f"in {settings.state_dir / 'password'}" if as_service else launch.password
    yield f"  {'Password':<15}{shown}"
    yield ""
    if about_pairing:
        yield from about_pairing
        yield ""
    if launch.demo:
        yield from _about_the_demo(launch)
        yield ""
    if not as_service:
        yield "Stop with Ctrl-C."


def _about_the_demo(launch: Launch) -> Iterator[str]:
    if launch.settings.demo:
        yield "Demo, because OPCODE_DEMO is 1: the answers come from a script."
        return
    command = cli_binary.login_command(
        launch.binary, launch.settings.child_environment.get("PATH", "")
    )
    yield "Demo, because Claude is not logged in: the answers come from a script."
    yield f"To log in, run `{command}` and start again."
