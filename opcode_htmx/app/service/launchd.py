"""The service under launchd, the service manager of macOS: a launch agent of the user."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

from opcode_htmx.app.service import launch_agent
from opcode_htmx.app.service.environment_file import BadEnvironment
from opcode_htmx.app.service.installation import NAME, Installation, ServiceError
from opcode_htmx.app.service.manager import Commands, Status, writing
from opcode_htmx.lib.files import atomic_files

DEFAULT_PORT = "8080"


class Launchd:
    """Implements manager.Manager by `launchctl`."""

    def __init__(self, installation: Installation, commands: Commands) -> None:
        self._commands = commands
        self._home = installation.home
        self._file = launch_agent.agent_file(installation.home)
        self._domain = f"gui/{os.getuid()}"
        self._job = f"{self._domain}/{NAME}"

    def check(self) -> None:
        """Every Mac has it; whether this user has a session is said by its first command."""

    @property
    def settings_file(self) -> Path:
        return self._file

    def settings(self) -> dict[str, str]:
        try:
            found = plistlib.loads(self._file.read_bytes())["EnvironmentVariables"]
            return {str(name): str(value) for name, value in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ExpatError) as error:
            raise BadEnvironment(f"{self._file} cannot be read ({error}).") from None

    def listens_at(self, address: str) -> bool:
        # launchd holds no socket for it; the port is that of the settings it was loaded with
        port = self.settings().get("PORT", DEFAULT_PORT)
        return self._is_loaded() and address.endswith(f":{port}")

    def install(self, installation: Installation, address: str) -> None:
        log = launch_agent.log_file(self._home)
        with writing():
            for folder in (self._file.parent, log.parent):
                folder.mkdir(parents=True, exist_ok=True)
            log.touch(mode=0o600)
            atomic_files.write(self._file, launch_agent.property_list(installation))
        self._unload()
        self.start()

    def uninstall(self) -> None:
        self._check_installed()
        self._unload()
        with writing():
            self._file.unlink(missing_ok=True)

    def start(self) -> None:
        self._check_installed()
        if not self._is_loaded():
            self._commands.succeed("launchctl", "bootstrap", self._domain, str(self._file))

    def stop(self) -> None:
        self._check_installed()
        self._unload()

    def restart(self) -> None:
        self._check_installed()
        if self._is_loaded():
            # no -k, which would kill it at once: it is asked to end first
            self._unload()
        self.start()

    def status(self) -> Status:
        self._check_installed()
        done = self._commands.run("launchctl", "print", self._job)
        if done.returncode:
            return Status(False, (f"{NAME}: not loaded",))
        wanted = ("state =", "pid =", "runs =", "last exit code =")
        lines = [line.strip() for line in done.stdout.splitlines()]
        shown = [line for line in lines if line.startswith(wanted)]
        return Status("state = running" in shown, (f"{NAME}: loaded", *shown))

    def logs(self, lines: int) -> Sequence[str]:
        return ("tail", "-n", str(lines), str(launch_agent.log_file(self._home)))

    def follow(self, lines: int) -> Sequence[str]:
        return ("tail", "-n", str(lines), "-F", str(launch_agent.log_file(self._home)))

    def advice(self) -> Iterator[str]:
        yield "It starts when you log in to this Mac, and ends when you log out."

    def _is_loaded(self) -> bool:
        return self._commands.run("launchctl", "print", self._job).returncode == 0

    def _unload(self) -> None:
        if self._is_loaded():
            self._commands.succeed("launchctl", "bootout", self._job)

    def _check_installed(self) -> None:
        if not self._file.is_file():
            raise ServiceError("The service is not installed: run `opcode-htmx service install`.")
