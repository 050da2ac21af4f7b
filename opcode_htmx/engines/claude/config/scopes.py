"""The scopes of Claude's settings, and the file of each: managed, user, project and local.

Later scopes in Scope take precedence over earlier ones, except for the managed one, which holds
whatever the others say.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

from opcode_htmx.lib.files.versioned_files import Place

MANAGED_FOLDER = Path(
    "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"
)
"""The administrator's."""
SHARED_MODE = 0o644
"""The permissions of a new file that a project's other users read, too."""


class Scope(StrEnum):
    """Where a setting stands; the names are the CLI's own, without "Settings"."""

    MANAGED = "managed"
    USER = "user"
    PROJECT = "project"
    LOCAL = "local"

    @property
    def of_project(self) -> bool:
        """Whether its file lies in the project."""
        return self in (Scope.PROJECT, Scope.LOCAL)


WRITABLE = (Scope.USER, Scope.PROJECT, Scope.LOCAL)
_FILE_NAMES = {Scope.PROJECT: "settings.json", Scope.LOCAL: "settings.local.json"}


def settings_place(scope: Scope, config_dir: Path, project: Path | None) -> Place:
    """The settings file of a writable scope. Raises ValueError where it needs a project."""
    if scope is Scope.USER:
        return Place(config_dir / "settings.json")
    if project is None or scope not in _FILE_NAMES:
        raise ValueError(f"the scope {scope} has no file that can be written here")
    mode = SHARED_MODE if scope is Scope.PROJECT else 0o600
    return Place(project / ".claude" / _FILE_NAMES[scope], root=project, new_mode=mode)


def user_memory_place(config_dir: Path) -> Place:
    """The user's CLAUDE.md."""
    return Place(config_dir / "CLAUDE.md")


def managed_files() -> list[Path]:
    """The files of the administrator of this computer that exist, and can be looked at."""
    main = MANAGED_FOLDER / "managed-settings.json"
    try:
        found = [main, *sorted(MANAGED_FOLDER.glob("managed-settings.d/*.json"))]
        return [each for each in found if each.is_file()]
    except OSError:  # no rights to search the folder: Claude has none either
        return []
