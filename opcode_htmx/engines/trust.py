"""What the files of a project may run, change or allow once an engine works in it. Values only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass


class TrustNotRecorded(Exception):
    """The engine's own record of trusted projects could not be changed; the text says why."""


class Kind(StrEnum):
    """What an item does."""

    HOOK = "hook"
    HELPER = "helper"
    SERVER = "server"
    SCHEDULE = "schedule"
    PLUGIN = "plugin"
    COMMAND = "command"
    ENVIRONMENT = "environment"
    PERMISSION = "permission"
    SETTING = "setting"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class TrustItem:
    """One thing that takes effect. `text` is what it runs or says, as it stands in the file.

    `file` is the file that it stands in, an absolute path; `digest` identifies kind, name and the
    whole content, and not the file. `left_out` is how many characters `text` lacks at its end.
    """

    kind: Kind
    name: str
    text: str
    file: Path
    digest: str
    left_out: int = 0
