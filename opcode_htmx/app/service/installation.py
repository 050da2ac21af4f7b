"""What is installed as a service: which program, where it listens, and where its files lie."""

from __future__ import annotations

import sys
from dataclasses import field
from pathlib import Path

from opcode_htmx.lib import resources
from opcode_htmx.lib.dataclass import dataclass

NAME = "opcode-htmx"


class ServiceError(Exception):
    """The service cannot be set up or steered; the message is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The program that the service runs, and its settings."""

    home: Path
    config_home: Path
    """Where programs keep their configuration: $XDG_CONFIG_HOME."""
    host: str = "0.0.0.0"  # noqa: S104 - as in the settings
    port: int = 8080
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    """What the service is started with; some are secret."""
    is_confined: bool = True
    """Whether the server, and with it Claude, may gain no more rights than the person has."""
    # its folder may be behind a link to the current release; the interpreter itself stays a link,
    # by which Python finds its virtual environment
    python: Path = field(
        default_factory=lambda: Path(sys.executable).parent.resolve() / Path(sys.executable).name
    )
    working_folder: Path = resources.IMPORT_FOLDER
    """Python imports the package from there. The server itself then works elsewhere."""

    @property
    def command(self) -> tuple[str, ...]:
        """What the service manager starts. Settings are in the environment, never here."""
        return (str(self.python), "-m", "opcode_htmx", "service", "run")

    @property
    def environment_file(self) -> Path:
        """The settings, for this user only."""
        return self.config_home / NAME / "service.env"

    def checked(self) -> Installation:
        """The same. Raises ServiceError where a path has characters that no unit can hold."""
        for path in (self.python, self.working_folder, self.environment_file):
            if not str(path).isprintable() or str(path) != str(path).strip():
                raise ServiceError(f"A service cannot be started from {str(path)!r}.")
        return self
