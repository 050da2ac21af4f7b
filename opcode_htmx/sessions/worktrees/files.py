"""What is kept of copies in the state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.sessions.worktrees.kept_copies import KEPT, KeptCopies
from opcode_htmx.sessions.worktrees.project_setup import PROJECTS, ProjectSetups
from opcode_htmx.sessions.worktrees.records import RECORDS, CopyRecords
from opcode_htmx.sessions.worktrees.setup_command import OUTPUT

FOLDERS = (RECORDS, KEPT, PROJECTS, OUTPUT)


@dataclass(frozen=True, slots=True)
class CopyFiles:
    """The stores, and the folder for the output of set-up commands."""

    records: CopyRecords
    kept: KeptCopies
    setups: ProjectSetups
    outputs: Path

    @classmethod
    def of(cls, state: StateDir) -> Self:
        return cls(
            CopyRecords(state.folder(RECORDS.name)),
            KeptCopies(state.folder(KEPT.name)),
            ProjectSetups(state.folder(PROJECTS.name)),
            state.folder(OUTPUT.name),
        )
