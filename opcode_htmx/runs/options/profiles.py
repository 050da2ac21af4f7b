"""The profile of each session that has one: the files that its processes are started with.

A folder for each session. It is written before the first process, and not changed afterwards, so a
session keeps its limits for as long as it exists. Knows nothing of what is in the files.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opcode_htmx.engines.base import LaunchProfile
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema

KEPT = 200
"""Sessions whose profile is cached in memory."""

_ABOUT, _PROMPT = "profile.json", "prompt.md"
_SETTINGS = {True: "settings.json", False: "settings_no_bypass.json"}
"""By whether the server allows bypass mode."""


class ProfileUnreadable(OSError):
    """A session has a profile that cannot be read, so nothing may start in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the limits of this session cannot be read in {folder}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it is written. `settings` are texts by whether bypass mode is allowed."""

    settings: Mapping[bool, str]
    prompt: str = ""
    replaces_prompt: bool = False
    without_servers: bool = False
    label: str = ""
    """Whose profile it is, as lists and pages name it."""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class _About:
    digests: Mapping[str, str]
    """Of the settings files by name: the engine goes on without one that it cannot read."""
    has_prompt: bool
    replaces_prompt: bool
    without_servers: bool
    label: str
    icon: str

    @classmethod
    def parse(cls, found: dict[str, Any]) -> _About:
        return cls(
            {str(name): str(digest) for name, digest in found["digests"].items()},
            found["has_prompt"] is True,
            found["replaces_prompt"] is True,
            found["without_servers"] is True,
            str(found["label"]),
            str(found["icon"]),
        )


_SCHEMA = JsonFileSchema(1, _About.parse)


class SessionProfiles:
    """The profiles of all sessions, shared by all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = CachedJsonFiles(_SCHEMA, KEPT)

    def get(self, session_id: str, *, allow_bypass: bool) -> LaunchProfile | None:
        """What the session's next process is started with. Raises ProfileUnreadable."""
        folder = self._path(session_id)
        if folder is None or not folder.exists():
            return None
        about = self._files.read(folder / _ABOUT)
        settings = folder / _SETTINGS[allow_bypass]
        if about is None or _digest(settings) != about.digests.get(settings.name):
            raise ProfileUnreadable(folder)
        return LaunchProfile(
            settings,
            folder / _PROMPT if about.has_prompt else None,
            about.replaces_prompt,
            about.without_servers,
        )

    @property
    def folder(self) -> Path:
        """Where all of them are: no session may write there."""
        return self._folder

    def sessions(self) -> frozenset[str]:
        """The ids of the sessions that may have a profile."""
        try:
            return frozenset(each.name for each in self._folder.iterdir())
        except OSError:
            return frozenset()

    def label(self, session_id: str) -> tuple[str, str]:
        """Whose profile a session has, and its icon; empty texts without one."""
        folder = self._path(session_id)
        about = self._files.read(folder / _ABOUT) if folder else None
        return (about.label, about.icon) if about else ("", "")

    def set(self, session_id: str, profile: Profile) -> None:
        """Give a session a profile, before its first process. Raises OSError."""
        folder = self._path(session_id)
        if folder is None:
            raise ValueError(f"{session_id!r} is no session id")
        with raise_disk_full():
            atomic_files.make_folder(folder)
            for allows, text in profile.settings.items():
                atomic_files.write(folder / _SETTINGS[allows], text.encode())
            if profile.prompt:
                atomic_files.write(folder / _PROMPT, profile.prompt.encode())
            about = {
                "digests": {
                    _SETTINGS[each]: _digest(folder / _SETTINGS[each]) for each in _SETTINGS
                },
                "has_prompt": bool(profile.prompt),
                "replaces_prompt": profile.replaces_prompt,
                "without_servers": profile.without_servers,
                "label": profile.label,
                "icon": profile.icon,
            }
            self._files.write(folder / _ABOUT, about)

    def copy(self, session_id: str, new: str) -> None:
        """Give a session that goes on from another one the same profile. Raises OSError."""
        source, target = self._path(session_id), self._path(new)
        if source and target and source.exists() and not target.exists():
            with raise_disk_full():
                draft = target.with_name(f".{new}")
                shutil.rmtree(draft, ignore_errors=True)
                shutil.copytree(source, draft)
                draft.rename(target)

    def remove(self, session_id: str) -> None:
        """Take back the profile of a session that was never started."""
        if folder := self._path(session_id):
            shutil.rmtree(folder, ignore_errors=True)

    def _path(self, session_id: str) -> Path | None:
        return self._folder / session_id if SESSION_ID.fullmatch(session_id) else None


def _digest(path: Path) -> str:
    """Identifies the content of a file; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
