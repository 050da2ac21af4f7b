"""Find the history files that differ from the index: those of sessions, and of their subagents.

Changes of sessions are reported by their folders. The files of subagents lie in folders of their
own, which are looked at when the session has changed, and all the time while it is in use: an agent
may work for long before its session gets another line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.files import history, subagents
from opcode_htmx.engines.claude.files.session_listing import Folders, Listing
from opcode_htmx.lib.dataclass import dataclass

IN_USE_SECONDS = 3600.0
"""For so long after the last line of a session, or of an agent of it, its agents may be at work."""
MOST_IN_USE = 200
"""Sessions whose agents are looked at: those with the newest lines."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A history file as its folder lists it; `agent` is empty in a session's own file."""

    path: Path
    session: str
    agent: str
    inode: int
    size: int
    mtime_ns: int

    def is_same(self, other: SourceFile | None) -> bool:
        return other is not None and (self.inode, self.size, self.mtime_ns) == (
            other.inode,
            other.size,
            other.mtime_ns,
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """The files that differ from the index, and those that are not there any more."""

    changed: dict[Path, SourceFile] = field(default_factory=dict)
    gone: set[Path] = field(default_factory=set)


class Sources:
    """The history files below the folder `projects` of Claude's."""

    def __init__(self, config_dir: Path) -> None:
        self._config_dir = config_dir
        self._root = history.root(config_dir)
        self._folders = Folders()
        self._listings: dict[Path, Listing] = {}
        self._is_first_look = True
        self._agents: dict[Path, set[Path]] = {}
        """The files of subagents by those of their sessions, where there are some."""
        self._in_use: dict[Path, int] = {}
        """The sessions in use, and the time of the newest line of each, in ns."""

    def close(self) -> None:
        self._folders.close()

    def look_at_all(self) -> None:
        """Compare every file with the index at the next look."""
        self._listings, self._agents, self._in_use = {}, {}, {}
        self._is_first_look = True

    def changes(self, known: Mapping[Path, SourceFile]) -> Changes:
        """What has changed since the last look; at the first one, what is not as `known`.

        `known` are the files as they were indexed, those of the last changes included.
        """
        found = Changes()
        folders = history.claude_folders(self._config_dir)
        if self._is_first_look:
            names = {folder.name for folder in folders}
            found.gone.update(path for path in known if self._folder_of(path) not in names)
            self._agents = _agents_in(known)
        for folder in self._listings.keys() - set(folders):
            self._note_gone(found, folder, (file.name for file in self._listings.pop(folder).files))
        for folder in folders:
            try:
                listing = self._folders.look(folder)
            except OSError:
                continue  # removed in this moment, or another user's
            before = self._listings.get(folder)
            if before is not listing:
                self._compare(found, known, before, listing)
                self._listings[folder] = listing
        if self._is_first_look:
            self._note_lost(found, known)
        self._is_first_look = False
        self._look_at_agents(found, known)
        return found

    def _compare(
        self,
        found: Changes,
        known: Mapping[Path, SourceFile],
        before: Listing | None,
        listing: Listing,
    ) -> None:
        """Compare the sessions of a folder that are not as in the listing before."""
        old = before.files if before else ()
        there = {file.name for file in listing.files}
        self._note_gone(found, listing.folder, (f.name for f in old if f.name not in there))
        for file in set(listing.files) - set(old):
            path = listing.folder / file.name
            if source := _session_file(path):
                self._note(found, known, source)
            self._compare_agents(found, known, path)

    def _compare_agents(
        self, found: Changes, known: Mapping[Path, SourceFile], session: Path
    ) -> None:
        there = {source.path: source for source in _agent_files(session)}
        for path in self._agents.get(session, set()) - there.keys():
            found.gone.add(path)
        if there:
            self._agents[session] = set(there)
        else:
            self._agents.pop(session, None)
        for source in there.values():
            self._note(found, known, source)

    def _look_at_agents(self, found: Changes, known: Mapping[Path, SourceFile]) -> None:
        """Compare the agents of the sessions in use."""
        oldest = time.time_ns() - int(IN_USE_SECONDS * 1e9)
        newest_first = sorted(self._in_use.items(), key=lambda item: -item[1])
        self._in_use = {path: at for path, at in newest_first[:MOST_IN_USE] if at > oldest}
        for session in list(self._in_use):
            self._compare_agents(found, known, session)

    def _note(self, found: Changes, known: Mapping[Path, SourceFile], source: SourceFile) -> None:
        """Note a file that is there: whether it has changed, and that its session is in use."""
        if not source.is_same(known.get(source.path)):
            found.changed[source.path] = source
        session = source.path if not source.agent else subagents.session_of(source.path)
        if source.mtime_ns > time.time_ns() - IN_USE_SECONDS * 1e9:
            self._in_use[session] = max(source.mtime_ns, self._in_use.get(session, 0))

    def _note_gone(self, found: Changes, folder: Path, names: Iterable[str]) -> None:
        """Note sessions that are not there any more, with their agents."""
        for name in names:
            session = folder / name
            found.gone.add(session)
            found.gone.update(self._agents.pop(session, ()))
            self._in_use.pop(session, None)

    def _note_lost(self, found: Changes, known: Mapping[Path, SourceFile]) -> None:
        """Note those that were removed while nobody looked."""
        there = {each.folder / file.name for each in self._listings.values() for file in each.files}
        read = {folder.name for folder in self._listings}
        for path, source in known.items():
            session = subagents.session_of(path) if source.agent else path
            if self._folder_of(path) in read and session not in there:
                found.gone.add(path)

    def _folder_of(self, path: Path) -> str:
        """The name of Claude's folder that a history file is in."""
        return path.relative_to(self._root).parts[0]


def _session_file(path: Path) -> SourceFile | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return SourceFile(path, path.stem, "", stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _agent_files(session: Path) -> Iterator[SourceFile]:
    """The files of a session's subagents."""
    folder = subagents.folder_of(session)
    for agent, stat in subagents.files_in(folder):
        path = folder / f"agent-{agent}.jsonl"
        yield SourceFile(path, session.stem, agent, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _agents_in(known: Mapping[Path, SourceFile]) -> dict[Path, set[Path]]:
    found: dict[Path, set[Path]] = {}
    for path, source in known.items():
        if source.agent:
            found.setdefault(subagents.session_of(path), set()).add(path)
    return found
