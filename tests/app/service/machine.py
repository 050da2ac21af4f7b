"""A machine with a systemctl that writes down what it was asked."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from opcode_htmx.app import cli


class Done(NamedTuple):
    """What a command has left: its exit status and what it has printed."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Machine:
    """A home folder and a PATH with the stand-ins of a service manager."""

    home: Path
    environ: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    @property
    def units(self) -> Path:
        return self.home / ".config" / "systemd" / "user"

    @property
    def settings(self) -> Path:
        return self.home / ".config" / "opcode-htmx" / "service.env"

    def service(self, *arguments: str, **environ: str) -> Done:
        """The command, in this process: starting a Python for each takes seconds."""
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in (self.environ | environ).items():
                patch.setenv(name, value)
            patch.setattr(os, "execvp", lambda _, argv: sys.exit(subprocess.call(argv)))
            self.capsys.readouterr()
            try:
                status = cli.main(["service", *arguments])
            except SystemExit as end:
                status = int(end.code or 0)
        return Done(status, *self.capsys.readouterr())

    def says(self, verb: str, text: str) -> None:
        (self.bin / "answers" / verb).write_text(text)

    def fails(self, verb: str, text: str) -> None:
        (self.bin / "fails" / verb).write_text(text)

    def asked(self) -> list[str]:
        """What was asked since the last look, but for questions."""
        journal = self.bin / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return [line for line in lines if " show " not in line and " print " not in line]

    def claims_the_port(self) -> None:
        """systemctl says that the socket of the service is there."""
        port = self.environ["PORT"]
        text = f"ActiveState=active\nListen=127.0.0.1:{port} (Stream)\n"
        self.says("show opcode-htmx.socket", text)
