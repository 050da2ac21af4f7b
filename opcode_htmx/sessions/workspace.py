"""The folders that this server works with: Claude's configuration, and the project roots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.policies.working_folders import WorkingFolders

if TYPE_CHECKING:
    from opcode_htmx.engines.claude.demo.scenarios import Suggestion


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of this server, and the suggested prompts if it is a demo."""

    config_dir: Path
    project_roots: Sequence[Path]
    sample_project: Path | None = None
    suggestions: Sequence[Suggestion] = ()
    named_task_folder: Path | None = None

    @property
    def task_folder(self) -> Path:
        """The working folder of API tasks that name no folder."""
        return self.named_task_folder or self.sample_project or self.project_roots[0]

    @property
    def folders(self) -> WorkingFolders:
        """The folders in which Claude may work."""
        sample = [self.sample_project] if self.sample_project else []
        return WorkingFolders((*self.project_roots, *sample))

    def working_folder(self, text: str) -> Path:
        """The folder named by `text`. Raises InvalidFolder if Claude may not work in it."""
        return self.folders.choose(text)
