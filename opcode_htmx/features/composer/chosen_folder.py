"""The folder of a new session as its page shows it, and the name that is offered for a new one."""

from __future__ import annotations

from typing import Self

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.policies.working_folders import FolderMissing, InvalidFolder, reference
from opcode_htmx.sessions.folder_labels import name_of, place_of, shortened
from opcode_htmx.sessions.workspace import Workspace

NAME_WORDS = 5
NAME_CHARACTERS = 40
_WORD = late_pattern(r"\w+")


@dataclass(frozen=True, slots=True)
class ChosenFolder:
    """Without a `name` none is chosen; `refusal` says why the one that was is not.

    `reference` is the value for forms. `place` is empty where it says no more than the name.
    """

    reference: str = ""
    name: str = ""
    place: str = ""
    path: str = ""
    is_missing: bool = False
    refusal: str = ""
    is_in_repository: bool = False
    """Whether it looks as if git knows it, so that there can be a copy of it."""

    @classmethod
    def of(cls, text: str, workspace: Workspace) -> Self:
        """The folder that the text of a form stands for."""
        if not text:
            return cls()
        try:
            path, is_missing = workspace.working_folder(text), False
        except FolderMissing as missing:
            path, is_missing = missing.path, True
        except InvalidFolder as error:
            return cls(refusal=str(error))
        return cls(
            reference(path),
            name_of(path, workspace),
            place_of(path, workspace),
            shortened(path),
            is_missing,
            is_in_repository=not is_missing and worktrees.is_possible(path),
        )


def folder_name_for(words: str) -> str:
    """A name for a folder, of the first words of a prompt: `build-a-todo-app`; may be empty."""
    line = next(iter(words[:400].strip().splitlines()), "")
    name = ""
    for word in _WORD.findall(line.casefold())[:NAME_WORDS]:
        longer = f"{name}-{word}" if name else word
        if len(longer) > NAME_CHARACTERS:
            break
        name = longer
    return name
