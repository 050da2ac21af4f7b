"""Which repositories hold discarded changes, so that they are forgotten after 7 days."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path

from opcode_htmx.features.commits.projects import Projects
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.git.commands.state import NoRepository
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.runs.policies.working_folders import InvalidFolder

VERSION = 1
EVERY_SECONDS = 3600.0
_FORGET_SECONDS = 30 * 86400.0
"""After which a repository that cannot be opened is looked at no more."""
_SCHEMA = JsonFileSchema(
    VERSION, lambda content: (str(content["folder"]), float(content["noted_at"]))
)

log = logging.getLogger(__name__)


class Register:
    """A small file for each repository in which something was discarded."""

    def __init__(self, folder: Path, projects: Projects) -> None:
        self._folder = folder
        self._projects = projects

    def note(self, top: Path) -> None:
        """Something is about to be discarded in the repository at `top`. Raises OSError."""
        atomic_files.make_folder(self._folder)
        name = hashlib.sha256(os.fsencode(top)).hexdigest()[:32]
        content = {"folder": str(top), "noted_at": time.time()}
        _SCHEMA.write(self._folder / f"{name}.json", content, durable=False)

    def expire(self) -> None:
        """Forget what is older than 7 days, in all repositories."""
        for path in self._folder.glob("*.json"):
            found = _SCHEMA.read(path)
            if found and not self._is_needed(*found):
                path.unlink(missing_ok=True)

    def _is_needed(self, folder: str, noted_at: float) -> bool:
        try:
            git = self._projects.at(Path(folder), WRITING)
            with self._projects.locked(git):
                return kept.expire(git) > 0 or time.time() < noted_at + kept.KEPT_SECONDS
        except (NoRepository, RepositoryRefused, InvalidFolder, GitFailed, OSError) as error:
            log.info("what was discarded in %s cannot be looked at: %s", folder, error)
            return time.time() < noted_at + _FORGET_SECONDS
