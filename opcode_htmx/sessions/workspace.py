"""Where this server works: Claude's configuration, and the folders of projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.engines.claude.demo.scenarios import Suggestion
from opcode_htmx.runs.policies.working_folders import WorkingFolders


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where this server works, and the prompts to tap if it is a demo."""

    config_dir: Path
    project_roots: Sequence[Path]
    sample_project: Path | None = None
    suggestions: Sequence[Suggestion] = ()
    named_task_folder: Path | None = None

    @property
    def task_folder(self) -> Path:
        """Where tasks of programs work that name no folder."""
        return self.named_task_folder or self.sample_project or self.project_roots[0]

    @property
    def folders(self) -> WorkingFolders:
        """In which Claude may work."""
        sample = [self.sample_project] if self.sample_project else []
        return WorkingFolders((*self.project_roots, *sample))

    def working_folder(self, text: str) -> Path:
        """The folder that `text` names, if Claude may work in it. Raises InvalidFolder."""
        return self.folders.choose(text)
