"""The declaration of a command of the command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from opcode_htmx.lib.dataclass import dataclass

USAGE_ERROR = 2
"""The exit status for arguments that mean nothing."""


@dataclass(frozen=True, slots=True)
class Command:
    """`opcode-htmx NAME …`.

    Its module has `main(arguments) -> exit status`, and is imported when the command is given: the
    start of the server does not wait for it.
    """

    name: str
    summary: str
    """One sentence for --help."""
    module: str
    usage: str = ""
    """The arguments after the name, for --help."""

    @property
    def synopsis(self) -> str:
        """How it is called: `opcode-htmx NAME ARGUMENTS`."""
        return " ".join(filter(None, ("opcode-htmx", self.name, self.usage)))

    def run(self, arguments: Sequence[str]) -> int:
        """Run it with the arguments after its name; the exit status."""
        status = importlib.import_module(self.module).main(arguments)
        if status == USAGE_ERROR:
            print(f"usage: {self.synopsis}", file=sys.stderr)
        return int(status)
