"""The service under systemd: a user unit for the server and one for its socket."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from opcode_htmx.app.service import environment_file, systemd_units
from opcode_htmx.app.service.installation import Installation, ServiceError
from opcode_htmx.app.service.manager import Commands, Status, reason_of, writing
from opcode_htmx.app.service.systemd_units import PREVIEWS, SERVICE, SOCKET
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.web.origin.server_addresses import in_url
from opcode_htmx.web.server import preview_ports

LINGER = Path("/var/lib/systemd/linger")
"""Has a file for each user whose services start with the machine."""
_PUBLIC = 0o644
NOT_RUNNING = (
    "The systemd of this user does not run. Log in to this machine as that user (not by su or "
    "sudo), or run `loginctl enable-linger` as that user, and "
    "`export XDG_RUNTIME_DIR=/run/user/$(id -u)`. Where none runs, as in a container, start "
    "`opcode-htmx` by hand."
)
"""A sentence for the person, which scripts/service_manager.sh says as well."""
_NO_BUS = re.compile(r"Failed to connect to (?:user scope )?bus")


class Systemd:
    """Implements manager.Manager by `systemctl --user`."""

    def __init__(self, installation: Installation, commands: Commands) -> None:
        self._installed = installation
        self._commands = commands
        self._units = installation.config_home / "systemd" / "user"

    def check(self) -> None:
        self._systemctl("show", "--property=Version")

    @property
    def settings_file(self) -> Path:
        return self._installed.environment_file

    def settings(self) -> dict[str, str]:
        return environment_file.read(self.settings_file)

    def listens_at(self, address: str) -> bool:
        return address in self._addresses(SOCKET)

    def _addresses(self, unit: str) -> list[str]:
        """Where a socket listens now: `host:port`, each; none if it does not."""
        text = self._systemctl("show", unit, "--property=ActiveState,Listen")
        lines = text.splitlines()
        if "ActiveState=active" not in lines:
            return []
        found = (line.removeprefix("Listen=") for line in lines if line.startswith("Listen="))
        return [each.partition(" ")[0] for each in found]

    def _previews(self, installation: Installation, address: str) -> list[int]:
        """The ports of previews that nobody else listens on."""
        ours = self._addresses(PREVIEWS)
        return [
            port
            for port in preview_ports.wanted(installation.port, installation.variables)
            if f"{in_url(address)}:{port}" in ours or preview_ports.is_free(address, port)
        ]

    def install(self, installation: Installation, address: str) -> None:
        service = systemd_units.service_unit(installation)
        main = f"{in_url(address)}:{installation.port}"
        ports = self._previews(installation, address)
        previews = [f"{in_url(address)}:{port}" for port in ports]
        moves = (self._addresses(SOCKET), self._addresses(PREVIEWS)) != ([main], previews)
        sockets = [SOCKET, PREVIEWS] if ports else [SOCKET]
        with writing():
            for folder in (self._units, installation.environment_file.parent):
                atomic_files.make_folder(folder)
            settings = environment_file.text_of(installation.variables)
            atomic_files.write(installation.environment_file, settings.encode())
            _write_unit(self._units / SOCKET, systemd_units.socket_unit(installation, address))
            if ports:
                _write_unit(self._units / PREVIEWS, systemd_units.previews_unit(address, ports))
            _write_unit(self._units / SERVICE, service)
        if not ports:
            self._remove_previews()
        self._systemctl("daemon-reload")
        self._systemctl("enable", *sockets, SERVICE)
        if moves:  # a socket is not moved while the server that it belongs to runs
            self._systemctl("stop", SERVICE, *sockets)
            self._systemctl("start", *sockets)
        self.restart()

    def uninstall(self) -> None:
        self._check_installed()
        units = [*self._sockets(), SERVICE]
        self._systemctl("disable", "--now", *units)
        with writing():
            for unit in units:
                (self._units / unit).unlink()
            self._installed.environment_file.unlink(missing_ok=True)
        self._systemctl("daemon-reload")

    def start(self) -> None:
        self._check_installed()
        self._begin("start", *self._sockets(), SERVICE)

    def stop(self) -> None:
        self._check_installed()
        # with its socket: the next browser would start it again
        self._systemctl("stop", *self._sockets(), SERVICE)

    def restart(self) -> None:
        self._check_installed()
        self._begin("restart", SERVICE)

    def status(self) -> Status:
        self._check_installed()
        found = self._show(
            SERVICE, "ActiveState", "SubState", "MainPID", "ExecMainStartTimestamp", "NRestarts"
        )
        is_running = found["ActiveState"] == "active"
        state = f"{found['ActiveState']} ({found['SubState']})"
        lines = [f"{SERVICE}: {state}"]
        if is_running:
            lines.append(
                f"since {found['ExecMainStartTimestamp']}, process {found['MainPID']}, "
                f"started again by itself {found['NRestarts']} times"
            )
        for unit in self._sockets():
            lines.append(f"{unit}: {' '.join(self._addresses(unit)) or 'not listening'}")
        return Status(is_running, tuple(lines))

    def logs(self, lines: int) -> Sequence[str]:
        return ("journalctl", "--user", "--unit", SERVICE, "--lines", str(lines), "--no-pager")

    def follow(self, lines: int) -> Sequence[str]:
        return (*self.logs(lines), "--follow")

    def advice(self) -> Iterator[str]:
        if not (LINGER / getpass.getuser()).exists():
            yield (
                "It runs while you are logged in to this machine. To have it start with the "
                "machine, and go on after you have logged out: loginctl enable-linger"
            )

    def _remove_previews(self) -> None:
        if (self._units / PREVIEWS).exists():
            self._systemctl("disable", "--now", PREVIEWS)
            with writing():
                (self._units / PREVIEWS).unlink()

    def _sockets(self) -> list[str]:
        """The units of sockets that are installed."""
        return [unit for unit in (SOCKET, PREVIEWS) if (self._units / unit).exists()]

    def _begin(self, *arguments: str) -> None:
        """Start it and wait until it is ready. Raises ServiceError with what it has said."""
        done = self._systemctl_result(*arguments)
        if done.returncode:
            _check_bus(done)
            said = self._commands.run(*self.logs(5), "--output", "cat").stdout.strip()
            raise ServiceError(
                f"The service did not start: {reason_of(done)}" + (f"\n{said}" if said else "")
            )

    def _show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit; empty texts for those that it has not got."""
        text = self._systemctl("show", unit, f"--property={','.join(properties)}")
        pairs = (line.partition("=") for line in text.splitlines())
        return dict.fromkeys(properties, "") | {name: value for name, _, value in pairs}

    def _systemctl(self, *arguments: str) -> str:
        done = self._systemctl_result(*arguments)
        if done.returncode:
            _check_bus(done)
            words = " ".join(arguments)
            raise ServiceError(f"`systemctl --user {words}` failed: {reason_of(done)}")
        return done.stdout

    def _systemctl_result(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._commands.run("systemctl", "--user", *arguments)

    def _check_installed(self) -> None:
        if not (self._units / SERVICE).is_file():
            raise ServiceError("The service is not installed: run `opcode-htmx service install`.")


def _check_bus(done: subprocess.CompletedProcess[str]) -> None:
    """Raises ServiceError where the user has no systemd that could be asked."""
    if _NO_BUS.search(done.stderr):
        raise ServiceError(NOT_RUNNING)


def _write_unit(path: Path, text: str) -> None:
    atomic_files.write(path, text.encode(), mode=_PUBLIC)
