"""What a service manager has to do, and how its commands are run."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from opcode_htmx.app.service.installation import Installation, ServiceError
from opcode_htmx.lib.dataclass import dataclass

SECONDS = 180.0
"""How long a command may take; longer than the start of the server is waited for."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a service manager says of the service."""

    is_running: bool
    lines: tuple[str, ...]
    """For the person."""


class Manager(Protocol):
    """Steers the service. All methods raise ServiceError."""

    def check(self) -> None:
        """Before anything is done: check that this user has a running service manager."""

    @property
    def settings_file(self) -> Path:
        """Where the settings of the service are kept, for this user only."""

    def settings(self) -> dict[str, str]:
        """The settings of an earlier installation; none without one. Raises BadEnvironment."""

    def listens_at(self, address: str) -> bool:
        """Whether it is the service that has this port now; `address` is `host:port`."""

    def install(self, installation: Installation, address: str) -> None:
        """Write its files, and (re)start it with them; `address` is that of the host, numeric."""

    def uninstall(self) -> None:
        """End it, and remove what `install` has written. Runs of Claude go on."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def status(self) -> Status: ...

    def logs(self, lines: int) -> Sequence[str]:
        """The command that prints the last lines of its output."""

    def follow(self, lines: int) -> Sequence[str]:
        """The same, and then what is added."""

    def advice(self) -> Iterator[str]:
        """What is left to do by the person, if anything."""


class Commands:
    """Runs the commands of a service manager, with the person's environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Its status and output. Raises ServiceError if it cannot be started, or hangs."""
        # with the PATH of these variables, as subprocess would take our own
        program = shutil.which(argv[0], path=self.environ.get("PATH"))
        if program is None:
            raise ServiceError(f"{argv[0]} was not found.")
        try:
            return subprocess.run(
                [program, *argv[1:]],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"{argv[0]} failed ({error}).") from None

    def succeed(self, *argv: str) -> str:
        """Its output. Raises ServiceError with its last line if it fails."""
        done = self.run(*argv)
        if done.returncode:
            raise ServiceError(f"`{' '.join(argv)}` failed: {reason_of(done)}")
        return done.stdout


def reason_of(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a failed command has printed."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Around changes of files. Raises ServiceError for an OSError."""
    try:
        yield
    except OSError as error:
        raise ServiceError(f"{error.filename or 'A file'}: {error.strerror}.") from None
