"""What takes space on the disk: repositories and worktrees beside sessions and the app."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.disk_space import free_bytes
from opcode_htmx.sessions.repositories.sizes import FolderSizes, Sizes
from opcode_htmx.sessions.storage.survey import Survey, Surveyor


@dataclass(frozen=True, slots=True)
class Disk:
    """Sizes in bytes. `at` is a Unix time."""

    sizes: Sizes
    survey: Survey
    free: int
    """On the disk of the repositories."""

    @property
    def kinds(self) -> tuple[tuple[str, str, int], ...]:
        """Each kind for programs, in words, and its size."""
        survey = self.survey
        sessions = survey.session_bytes + survey.subagent_bytes + survey.other_bytes
        return (
            ("repositories", "Repositories", self.sizes.repository_bytes),
            ("worktrees", "Copies of repositories", self.sizes.worktree_bytes),
            ("sessions", "Sessions", sessions),
            ("claude", "Other files of Claude", survey.claude_bytes),
            ("app", "This app", survey.state_bytes),
            ("trash", "Trash", survey.trash_bytes),
        )

    @property
    def total(self) -> int:
        return sum(size for _, _, size in self.kinds)

    @property
    def complete(self) -> bool:
        return self.sizes.complete and self.survey.complete

    @property
    def at(self) -> float:
        return min(self.sizes.at, self.survey.at)


class DiskSurvey:
    """Counts in the background; what is counted is kept for a while."""

    def __init__(self, sizes: FolderSizes, surveyor: Surveyor, folder: Path) -> None:
        self._sizes = sizes
        self._surveyor = surveyor
        self._folder = folder

    def get(self, patience: float) -> Disk | None:
        """What takes space, if it is known within `patience` seconds. Raises OSError."""
        sizes, survey = self._sizes.get(patience), self._surveyor.get(patience)
        if sizes is None or survey is None:
            return None
        return Disk(sizes, survey, free_bytes(self._folder))

    def sizes(self, patience: float) -> Sizes | None:
        """Those of repositories and worktrees alone."""
        return self._sizes.get(patience)
