"""The options a person has chosen for a session: model, effort, mode, and others.

One small file for each session. Knows nothing of runs. An option that was not chosen is None and
left to Claude's own settings, or the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema

KEPT = 200
"""Sessions whose options are cached in memory."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    effort: str | None = None
    permission_mode: str | None = None
    keep_running: bool | None = None
    """Whether Claude goes on without a viewer."""
    project_settings: bool | None = None
    """False: Claude starts without the settings of the project's files."""
    budget_usd: float | None = None
    """What each process of the session may cost, as a schedule says."""


_NOTHING = Options()


class OptionStore:
    """The options of all sessions, in a folder of their own, shared by all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"{folder}/"
        self._files = CachedJsonFiles(_SCHEMA, KEPT)

    @property
    def version(self) -> object:
        """Changes whenever options have changed; None where they have just changed."""
        return atomic_files.version(self._folder)

    def get(self, session_id: str) -> Options:
        """The options of a session; none of them is set where nothing was chosen."""
        if not SESSION_ID.fullmatch(session_id):
            return _NOTHING
        return self._files.read(f"{self._prefix}{session_id}.json") or _NOTHING

    def change(self, session_id: str, **changes: Any) -> Options:
        """Change options; None resets one. Raises OSError when they cannot be stored."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            # model and effort may be chosen at once, on two phones or for two workers
            with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
                options = replace(self.get(session_id), **changes)
                if options != self.get(session_id):
                    self._write(session_id, options)
        return options

    def _path(self, session_id: str) -> Path | None:
        return self._folder / f"{session_id}.json" if SESSION_ID.fullmatch(session_id) else None

    def _write(self, session_id: str, options: Options) -> None:
        path = self._path(session_id)
        if path is None:
            raise ValueError(f"{session_id!r} is no session id")
        chosen = {name: value for name, value in asdict(options).items() if value is not None}
        self._files.write(path, chosen)


_TYPES: Mapping[str, type[object]] = {
    "keep_running": bool,
    "project_settings": bool,
    "budget_usd": float,
}
"""Of the options that are no texts."""


def _parse(found: dict[str, Any]) -> Options:
    known = {
        field.name: found[field.name]
        for field in fields(Options)
        if isinstance(found.get(field.name), _TYPES.get(field.name, str))
    }
    return Options(**known)


_SCHEMA = JsonFileSchema(1, _parse)
