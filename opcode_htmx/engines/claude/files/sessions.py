"""Find projects and sessions in Claude's own files; must not know of runs or of the web."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files import (
    folder_names,
    history,
    links,
    session_listing,
)
from opcode_htmx.engines.claude.files.lists import folder_summaries, project_lists
from opcode_htmx.engines.claude.files.lists.project_lists import Project
from opcode_htmx.engines.claude.files.session_listing import Listing
from opcode_htmx.engines.claude.files.session_summary import (
    FileSummary,
    summarize,
)
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass

_sessions: WeakKeyDictionary[Listing, dict[str, tuple["SessionSummary", ...]]] = WeakKeyDictionary()
"""The results for listings that are still valid, by the digest of the project's path; empty for
all."""


class ProjectNotFound(Exception):
    """There is no project with this id."""


class SessionNotFound(Exception):
    """There is no session with this id in the project."""


class SeveralProjects(Exception):
    """The id is the name of a folder of Claude's that holds several projects."""


_NO_PROJECT = "There is no project with this id."


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One conversation. Times are Unix seconds.

    `project_path` is the session's own folder, None if its file does not name it.
    `prompt_count` is None for files too long to be read for a list.
    """

    id: str
    project_id: str
    project_path: str | None
    first_prompt: str
    started_at: float
    last_activity: float
    size_bytes: int
    prompt_count: int | None
    name: str | None = None
    """The name of the session, by the person or Claude."""
    prompted_at: str | None = None
    """The time of the first prompt, as Claude has recorded it."""

    @property
    def title(self) -> str:
        return self.name or self.first_prompt

    @property
    def claude_folder(self) -> str:
        """The name of the folder that holds its file."""
        return folder_names.split(self.project_id)[0]


def projects(config_dir: Path) -> list[Project]:
    """All projects with at least one session, the last used first.

    Reads every file that is not known yet.
    """
    found = listings(config_dir)
    read = folder_summaries.of_all(found)
    return _in_use(map(project_lists.of, yielding(found), read))


def outline(config_dir: Path, found: Sequence[Listing] | None = None) -> list[Project]:
    """The same at once: of a folder of Claude's with many unknown files only the newest is read.

    Such a folder counts as one project, all its files count as sessions, and the times are those
    of the files. `found` is what `listings` has returned just now.
    """
    if found is None:
        found = listings(config_dir)
    folder_summaries.load_kept(found)
    return _in_use(map(project_lists.outline, yielding(found)))


def recent(
    config_dir: Path, most: int, found: Sequence[Listing] | None = None
) -> list[FileSummary]:
    """At most `most` sessions of all projects, the last used first. Reads the newest files only."""
    return folder_summaries.newest(listings(config_dir) if found is None else found, most)


def projects_of(config_dir: Path, project_id: str) -> tuple[Project, ...]:
    """The projects that an id stands for, the last used first; at least one.

    Raises ProjectNotFound.
    """
    folder, digest = _place(config_dir, project_id)
    try:
        known = _projects_in(folder)
    except (FileNotFoundError, NotADirectoryError):  # deleted just now
        known = ()
    return _with_digest(known, digest)


def project(config_dir: Path, project_id: str) -> Project:
    """One project; ProjectNotFound, SeveralProjects."""
    found = projects_of(config_dir, project_id)
    if len(found) > 1:
        raise SeveralProjects(
            "Claude keeps the sessions of several folders under this id: choose one of them."
        )
    return found[0]


def project_with(session_file: Path) -> Project | None:
    """The project that lists the session in this history file; None if none does."""
    with contextlib.suppress(OSError):
        for found in _projects_in(session_file.parent):
            if session_file.stem in found.session_ids:
                return found
    return None


def sessions(config_dir: Path, project_id: str) -> list[SessionSummary]:
    """The sessions of a project, or of all that an id stands for, the last used first.

    Raises ProjectNotFound.
    """
    folder, digest = _place(config_dir, project_id)
    try:
        listing = session_listing.watched().look(folder)
        known = _sessions.get(listing, {}).get(digest)
        if known is None:
            known = _sessions_of(listing, digest)
            _sessions.setdefault(listing, {})[digest] = known
    except (FileNotFoundError, NotADirectoryError) as error:  # deleted just now
        raise ProjectNotFound(_NO_PROJECT) from error
    return list(known)


def _sessions_of(listing: Listing, digest: str) -> tuple[SessionSummary, ...]:
    """Those in a folder of all projects, or of that whose path has this digest."""
    found = _with_digest(project_lists.of_folder(listing), digest)
    owners = {session_id: project.id for project in found for session_id in project.session_ids}
    own = [each for each in folder_summaries.of(listing) if each.session_id in owners]
    return tuple(
        SessionSummary(
            id=each.session_id,
            project_id=owners[each.session_id],
            project_path=each.cwd,
            first_prompt=each.title or "",
            started_at=each.started_at,
            last_activity=each.last_activity,
            size_bytes=each.size,
            prompt_count=prompt_count,
            name=each.name,
            prompted_at=each.prompted_at,
        )
        for each, prompt_count in zip(own, folder_summaries.prompt_counts(own), strict=True)
    )


def session_file(config_dir: Path, project_id: str, session_id: str) -> Path:
    """The history file of a session; ProjectNotFound, SessionNotFound.

    Its name has the id as the CLI wrote it, also where `session_id` has letters of another case.
    """
    folder, _ = _place(config_dir, project_id)
    found = history.file_in(folder, session_id) or _in_any_case(folder, session_id)
    if found is None:
        raise SessionNotFound("There is no session with this id in this project.")
    return found


def _in_any_case(folder: Path, session_id: str) -> Path | None:
    if not history.SESSION_ID.fullmatch(session_id):
        return None
    name = f"{session_id}.jsonl".lower()
    with contextlib.suppress(OSError):
        for file in session_listing.watched().look(folder).files:
            if file.name.lower() == name:
                return folder / file.name
    return None


def find_in_any_case(config_dir: Path, session_id: str) -> Path | None:
    """The history file of a session in any project: of that very id, else in another case."""
    found = history.find(config_dir, session_id)
    if found or not history.SESSION_ID.fullmatch(session_id):
        return found
    return next(
        filter(None, (_in_any_case(f, session_id) for f in history.claude_folders(config_dir))),
        None,
    )


def summary_of(path: Path) -> FileSummary | None:
    """What a list shows of the session in this history file; None if it cannot be read."""
    try:
        stat = path.stat()
        return summarize(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return None


def folder_of(session_file: Path) -> str | None:
    """The session's own folder from its file; None if that does not name it."""
    seen = summary_of(session_file)
    return seen.cwd if seen else None


def name_of(path: Path) -> str:
    """The name of the session in this history file; empty if it has none."""
    seen = summary_of(path)
    return (seen.name if seen else None) or ""


def title_of(path: Path) -> str:
    """The name of the session in this history file, or else its first prompt."""
    seen = summary_of(path)
    return (seen.name or seen.title if seen else None) or ""


# Folders ----------------------------------------------------------------------------------


def _place(config_dir: Path, project_id: str) -> tuple[Path, str]:
    """Claude's folder that an id names, and the digest of the path; raises ProjectNotFound."""
    name, digest = folder_names.split(project_id)
    folder = history.root(config_dir) / name
    if not name or not links.is_folder(folder):
        raise ProjectNotFound(_NO_PROJECT)
    return folder, digest


def listings(config_dir: Path) -> list[Listing]:
    """The session files of each of Claude's folders."""
    return session_listing.watched().look_at_all(history.claude_folders(config_dir))


def _with_digest(projects: tuple[Project, ...], digest: str) -> tuple[Project, ...]:
    """Those whose path has this digest, all for an empty one; raises ProjectNotFound for none."""
    found = tuple(p for p in projects if not digest or folder_names.digest(p.path or "") == digest)
    if not found:
        raise ProjectNotFound(_NO_PROJECT)
    return found


def _in_use(found: Iterable[Iterable[Project]]) -> list[Project]:
    in_use = [project for some in found for project in some if project.session_ids]
    return sorted(in_use, key=lambda p: p.last_activity, reverse=True)


def _projects_in(folder: Path) -> tuple[Project, ...]:
    """The projects whose sessions are in one of Claude's folders; one without sessions if none."""
    return project_lists.of_folder(session_listing.watched().look(folder))


def summaries(folder: Path) -> tuple[FileSummary, ...]:
    """The sessions with a prompt in one of Claude's folders, the last used first."""
    return folder_summaries.of(session_listing.watched().look(folder))
