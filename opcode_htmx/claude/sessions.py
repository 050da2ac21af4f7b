"""Find projects and sessions in Claude's own files; must not know of runs or of the web."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from . import folders
from .folders import Listing
from .glance import Glance, count_prompts, glance
from .history import SESSION_ID
from .history import project_id as project_id_of

_PROJECT_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")

_seen: WeakKeyDictionary[Listing, tuple[Glance, ...]] = WeakKeyDictionary()
_projects: WeakKeyDictionary[Listing, "Project"] = WeakKeyDictionary()
"""What was made of the listings that still hold."""


class ProjectNotFound(Exception):
    """There is no project with this id."""


class SessionNotFound(Exception):
    """There is no session with this id in the project."""


class InvalidFolder(Exception):
    """The folder that a person chose cannot be worked in; the text says why."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder in which Claude has worked. Times are Unix seconds.

    `path` is None as long as no session tells where the project is; `session_ids` begins with
    the session that was used last.
    """

    id: str
    path: str | None
    session_ids: tuple[str, ...]
    last_activity: float
    created_at: float

    @property
    def session_count(self) -> int:
        return len(self.session_ids)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One conversation. Times are Unix seconds.

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
    """What the person or Claude calls the session."""
    prompted_at: str | None = None
    """When the first prompt was given, as Claude has noted it."""

    @property
    def title(self) -> str:
        return self.name or self.first_prompt


def projects(config_dir: Path) -> list[Project]:
    """All projects with at least one session, the last used first."""
    root = _root(config_dir)
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if _is_project(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # deleted just now
            found.append(_project(root / name))
    in_use = [project for project in found if project.session_ids]
    return sorted(in_use, key=lambda p: p.last_activity, reverse=True)


def project(config_dir: Path, project_id: str) -> Project:
    """One project; ProjectNotFound if there is no such folder."""
    return _project(_project_folder(config_dir, project_id))


def sessions(config_dir: Path, project_id: str) -> list[SessionSummary]:
    """The sessions of a project, the last used first; ProjectNotFound."""
    glances = _glances(_project_folder(config_dir, project_id))
    start = _start_folder(project_id, glances)
    return [
        SessionSummary(
            id=g.path.stem,
            project_id=project_id,
            project_path=g.cwd or start,
            first_prompt=g.title or "",
            started_at=g.started_at,
            last_activity=g.last_activity,
            size_bytes=g.size,
            prompt_count=count_prompts(g.path, g.size, g.mtime_ns),
            name=g.name,
            prompted_at=g.prompted_at,
        )
        for g in glances
    ]


def has_worked_in(config_dir: Path, folder: Path) -> bool:
    """Whether somebody has prompted Claude in this very folder."""
    try:
        return project(config_dir, project_id_of(folder)).path == str(folder)
    except (ProjectNotFound, OSError):
        return False


def session_file(config_dir: Path, project_id: str, session_id: str) -> Path:
    """The history file of a session; ProjectNotFound, SessionNotFound."""
    folder = _project_folder(config_dir, project_id)
    if SESSION_ID.fullmatch(session_id):
        path = (folder / f"{session_id}.jsonl").resolve()
        if path.is_file() and path.is_relative_to(_root(config_dir)):
            return path
    raise SessionNotFound("There is no session with this id in this project.")


def name_of(path: Path) -> str:
    """What the session in this history file is called; empty if it has no name."""
    try:
        stat = path.stat()
        return glance(path, stat.st_size, stat.st_mtime_ns).name or ""
    except OSError:
        return ""


def title_of(path: Path) -> str:
    """The name of the session in this history file, or else its first prompt."""
    try:
        stat = path.stat()
        seen = glance(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return ""
    return seen.name or seen.title or ""


def working_folder_choice(path_text: str, roots: list[Path] | tuple[Path, ...]) -> Path:
    """The folder that a person typed, resolved, if Claude may work in it; else InvalidFolder.

    It must be absolute or begin with `~`, exist, and lie in one of `roots` once links are
    followed.
    """
    text = path_text.strip()
    if not text:
        raise InvalidFolder("Type the path of a folder.")
    if "\0" in text:
        raise InvalidFolder("A path cannot contain a NUL character.")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise InvalidFolder(f"“{text}” is not a full path: begin with / or ~.")
        path = path.resolve()
        if not any(path.is_relative_to(root.expanduser().resolve()) for root in roots):
            raise InvalidFolder(
                f"“{path}” is outside the folders that may be worked in (OPCODE_PROJECT_ROOTS)."
            )
        if not path.exists():
            raise InvalidFolder(f"There is no folder “{path}”.")
        if not path.is_dir():
            raise InvalidFolder(f"“{path}” is a file, not a folder.")
        next(path.iterdir(), None)
    except (OSError, RuntimeError) as error:
        raise InvalidFolder(f"“{text}” cannot be opened: {_reason(error)}.") from error
    return path


# Folders ----------------------------------------------------------------------------------


def _root(config_dir: Path) -> Path:
    return (config_dir / "projects").resolve()


def _is_project(entry: os.DirEntry[str]) -> bool:
    named = _PROJECT_ID.fullmatch(entry.name) is not None
    return named and entry.is_dir(follow_symlinks=False)


def _project_folder(config_dir: Path, project_id: str) -> Path:
    root = _root(config_dir)
    if _PROJECT_ID.fullmatch(project_id):
        folder = (root / project_id).resolve()
        if folder.is_dir() and folder.parent == root:
            return folder
    raise ProjectNotFound("There is no project with this id.")


def _project(folder: Path) -> Project:
    listing = folders.watched().look(folder)
    known = _projects.get(listing)
    if known is None:
        glances = _glances_of(listing)
        modified = folder.stat().st_mtime
        known = _projects[listing] = Project(
            id=folder.name,
            path=_start_folder(folder.name, glances),
            session_ids=tuple(g.path.stem for g in glances),
            last_activity=glances[0].last_activity if glances else modified,
            created_at=min((g.started_at for g in glances), default=modified),
        )
    return known


def _start_folder(project_id: str, glances: tuple[Glance, ...]) -> str | None:
    """Where the project is: the CLI names its folder after the path, but not reversibly."""
    paths = [g.cwd for g in glances if g.cwd]
    exact = (p for p in paths if project_id_of(Path(p)) == project_id)
    return next(exact, paths[0] if paths else None)


def _glances(folder: Path) -> tuple[Glance, ...]:
    return _glances_of(folders.watched().look(folder))


def _glances_of(listing: Listing) -> tuple[Glance, ...]:
    """Its sessions in which somebody prompted, the last used first."""
    known = _seen.get(listing)
    if known is None:
        found = []
        for file in listing.files:
            with contextlib.suppress(OSError):  # deleted since it was listed, or another user's
                found.append(glance(listing.folder / file.name, file.size, file.mtime_ns))
        prompted = [seen for seen in found if seen.title is not None]
        prompted.sort(key=lambda g: g.last_activity, reverse=True)
        known = _seen[listing] = tuple(prompted)
    return known


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or "unknown reason").rstrip(".").lower()
