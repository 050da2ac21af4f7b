"""A program that git would run, as it is shown and as it is digested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from opcode_htmx.lib import surrogates
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands.words import redacted

STEP = "step of the rebase"
OF_FOLDER = "program of the folder that is pushed to"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that git would run.

    Its texts may have bytes that are no UTF-8, as surrogates, until it is `shown`.
    """

    kind: str
    """What it is, in a word or two, such as `hook`."""
    name: str
    command: str
    """Its command line, or the path of its file."""
    of_repository: bool
    """Whether the repository names it; else the person's own configuration does."""
    digest: str = ""
    """Of the content of a hook; once it is shown, of everything that is not shown as it is."""

    def shown(self) -> Program:
        """The same without logins in addresses, and as valid text."""
        identity = "\0".join((self.name, self.command, self.digest))
        return replace(
            self,
            name=redacted(surrogates.replaced(self.name)),
            command=redacted(surrogates.replaced(self.command)),
            digest=hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest(),
        )


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one command, as they are shown. An empty list runs nothing."""

    found: tuple[Program, ...]

    @classmethod
    def shown(cls, found: Iterable[Program]) -> Programs:
        """Each program once."""
        return cls(tuple(dict.fromkeys(each.shown() for each in found)))

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def can_be_left_out(self) -> bool:
        """Whether the command can run without them.

        The steps of a rebase are the rebase, and a folder that gets commits runs its own programs.
        """
        return all(each.kind not in (STEP, OF_FOLDER) for each in self.found)

    @property
    def digest(self) -> str:
        """Names exactly these programs."""
        text = "\0".join(
            f"{each.kind}\0{each.name}\0{each.command}\0{each.of_repository}\0{each.digest}"
            for each in self.found
        )
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
