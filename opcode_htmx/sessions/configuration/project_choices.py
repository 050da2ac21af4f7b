"""The projects that a person may choose from: those in which Claude may go on working."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.claude.files.session_listing import Listing
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.runs.policies.working_folders import InvalidFolder, reference
from opcode_htmx.sessions.repositories.places import own_name
from opcode_htmx.sessions.workspace import Workspace

MOST_TRIED = 2
"""Times the number that is wanted: projects that are looked at, which may be gone."""


@dataclass(frozen=True, slots=True)
class ProjectChoice:
    """A project in which Claude may work; `reference` is the text of a form for its folder."""

    id: str
    name: str
    reference: str


def project_choices(
    workspace: Workspace, most: int, listings: Sequence[Listing] | None = None
) -> list[ProjectChoice]:
    """At most so many projects, the last used first. `listings` are those of just now."""
    found: dict[str, ProjectChoice] = {}
    by_copy: set[str] = set()
    outline = sessions.outline(workspace.config_dir, listings)
    for project in outline[: MOST_TRIED * most]:
        if len(found) == most:
            break
        path = Path(project.path or "")
        project_path = _project_of(path)
        try:
            # most that Claude may not work in are gone, which is quickly known
            is_there = project_path.exists()
            folder = workspace.working_folder(reference(project_path)) if is_there else None
        except (InvalidFolder, OSError):
            continue
        if folder:
            text = reference(folder)
            if text not in found or (project_path == path and text in by_copy):
                found[text] = ProjectChoice(project.id, own_name(folder), text)
            if project_path != path:
                by_copy.add(text)
    return list(found.values())


def _project_of(path: Path) -> Path:
    """The project that a copy of it stands for: what begins there, begins in the project."""
    before, mark, rest = str(path).partition(f"/{PLACE.as_posix()}/")
    return Path(before, *Path(rest).parts[1:]) if mark else path
