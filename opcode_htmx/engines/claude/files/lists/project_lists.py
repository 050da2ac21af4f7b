"""The projects to which the session files in one of Claude's folders belong, once a listing."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files import folder_names, links
from opcode_htmx.engines.claude.files.lists import folder_summaries
from opcode_htmx.engines.claude.files.session_listing import Listing
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.lib.dataclass import dataclass

_projects: WeakKeyDictionary[Listing, tuple[Project, ...]] = WeakKeyDictionary()
_outlines: WeakKeyDictionary[Listing, tuple[Project, ...]] = WeakKeyDictionary()
"""The results for listings that are still valid."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder in which Claude has worked. Times are Unix seconds.

    `id` is the name of Claude's folder, and more where that holds the sessions of several paths.
    `path` is None if no session names its folder. `session_ids` begins with the session that was
    used last.
    """

    id: str
    path: str | None
    session_ids: tuple[str, ...]
    last_activity: float
    created_at: float

    @property
    def session_count(self) -> int:
        return len(self.session_ids)

    @property
    def claude_folder(self) -> str:
        """The name of the folder that holds the files of its sessions."""
        return folder_names.split(self.id)[0]


def of_folder(listing: Listing) -> tuple[Project, ...]:
    """Those of a folder, the last used first; one without sessions if there is none.

    Reads the files that are not known yet. Raises FileNotFoundError if the folder is gone.
    """
    return of(listing, folder_summaries.of(listing)) or (_empty(listing.folder),)


def of(listing: Listing, found: tuple[FileSummary, ...]) -> tuple[Project, ...]:
    """Those of the sessions `found` in one of Claude's folders."""
    known = _projects.get(listing)
    if known is None:
        known = _projects[listing] = _grouped(listing.folder, found)
    return known


def outline(listing: Listing) -> tuple[Project, ...]:
    """Those of a folder at once: one for all of its files where many of these are not known yet."""
    known = _projects.get(listing)
    if known is not None:
        return known
    found = folder_summaries.if_few_unread(listing)
    if found is not None:
        return of(listing, found)
    known = _outlines.get(listing)
    if known is None:
        known = _outlines[listing] = _outlined(listing)
    return known


def _outlined(listing: Listing) -> tuple[Project, ...]:
    newest = folder_summaries.newest_of(listing, lambda each: each.cwd is not None)
    if newest is None:
        return ()
    files = sorted(listing.files, key=lambda file: file.mtime_ns, reverse=True)
    return (
        Project(
            id=listing.folder.name,
            path=newest.cwd,
            session_ids=tuple(file.name.removesuffix(links.ENDING) for file in files),
            last_activity=files[0].mtime_ns / 1e9,
            created_at=files[-1].mtime_ns / 1e9,
        ),
    )


def _grouped(folder: Path, summaries: tuple[FileSummary, ...]) -> tuple[Project, ...]:
    """A project for each path, the last used first.

    Sessions without a folder are listed with the others where there is only one path, else by
    themselves.
    """
    paths = dict.fromkeys(each.cwd for each in summaries if each.cwd)
    if len(paths) <= 1:
        return (_of(folder.name, next(iter(paths), None), summaries),) if summaries else ()
    by_path: dict[str | None, list[FileSummary]] = {}
    for each in summaries:
        by_path.setdefault(each.cwd, []).append(each)
    return tuple(
        _of(folder_names.shared_project_id(folder.name, path or ""), path, tuple(group))
        for path, group in by_path.items()
    )


def _of(id_: str, path: str | None, summaries: tuple[FileSummary, ...]) -> Project:
    return Project(
        id=id_,
        path=path,
        session_ids=tuple(each.session_id for each in summaries),
        last_activity=summaries[0].last_activity,
        created_at=min(each.started_at for each in summaries),
    )


def _empty(folder: Path) -> Project:
    modified = folder.stat().st_mtime
    return Project(folder.name, None, (), modified, modified)
