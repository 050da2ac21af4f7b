"""The sessions that are held because a budget is used up: a file for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.runs.budgets.figures import Hold, Scope
from opcode_htmx.runs.budgets.files import VERSION, is_unreadable

_CACHED = 200
_SCHEMA = JsonFileSchema(VERSION, Hold.parse)
_UNKNOWN = Hold("", Scope.UNKNOWN, 0.0, 0.0, 0.0, was_working=False)


class Holds:
    """One instance per worker, or several: the files are the state. Changed under a lock only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = CachedJsonFiles(_SCHEMA, _CACHED)
        self._not_held: tuple[object, set[str]] = (None, set())
        """A version of the folder, and the sessions for which it has no file: nearly all."""

    @property
    def version(self) -> object:
        """Changes whenever a hold has changed; None where one has just changed."""
        return atomic_files.version(self._folder)

    def of_session(self, session_id: str) -> Hold | None:
        """Why a session is paused; None if it is not."""
        version = self.version
        if version is None or version != self._not_held[0]:
            self._not_held = version, set()
        if session_id in self._not_held[1]:
            return None
        path = self._path(session_id)
        found = self._files.read(path)
        if found is None and is_unreadable(self._files, path):
            return _UNKNOWN
        if found is None and version is not None:
            self._not_held[1].add(session_id)
        return found

    def put(self, session_id: str, hold: Hold) -> None:
        """Raises OSError."""
        atomic_files.make_folder(self._folder)
        self._files.write(self._path(session_id), asdict(hold))

    def remove(self, session_id: str) -> bool:
        """Whether the session was held. A damaged file is quarantined. Raises OSError."""
        path = self._path(session_id)
        try:
            if is_unreadable(self._files, path):
                _SCHEMA.quarantine(path)
                return True
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def all(self) -> dict[str, Hold]:
        """By session, the newest first."""
        names = [path.stem for path in self._folder.glob("*.json")]
        found = {each: hold for each in names if (hold := self.of_session(each))}
        return dict(sorted(found.items(), key=lambda each: each[1].at, reverse=True))

    def sessions_of(self, hold: Hold) -> list[str]:
        """The sessions that are held by it: a run may have come from one into another."""
        paths = self._folder.glob("*.json")
        return sorted(path.stem for path in paths if self._files.read(path) == hold)

    def remove_where(self, is_over: Callable[[Hold], bool]) -> None:
        """Remove those that are over. Raises OSError."""
        for path in self._folder.glob("*.json"):
            found = self._files.read(path)
            if found and is_over(found):
                self.remove(path.stem)

    def _path(self, session_id: str) -> Path:
        return self._folder / f"{session_id}.json"
