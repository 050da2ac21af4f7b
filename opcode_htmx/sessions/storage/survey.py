"""Count what takes space: Claude's session files and the folders of the app. Runs in a thread.

Sizes are those of the files' contents. Links are not followed, but for those that the lists of
sessions follow, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from heapq import nlargest
from pathlib import Path

from gevent import monkey

from opcode_htmx.engines.claude.files import history, links, subagents
from opcode_htmx.engines.claude.files.session_summary import summarize
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.concurrency.background import Background
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateDir, StateFolder

LONGEST_SECONDS = 60.0
"""After which counting stops: what was counted until then is shown as such."""
WORK_SECONDS, PAUSE_SECONDS = 0.005, 0.002
"""The thread pauses regularly, because it shares the interpreter with the event loop."""
LARGEST = 10
"""Sessions and projects that are listed by name."""
LARGEST_OF_PROJECT = 5

_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


class Pace:
    """For a long loop in a thread: pauses, and ends after LONGEST_SECONDS."""

    def __init__(self) -> None:
        self._worked_since = time.monotonic()
        self._deadline = self._worked_since + LONGEST_SECONDS
        self.steps = 0

    def step(self) -> bool:
        """Pause if it is time; whether there is time left."""
        self.steps += 1
        now = time.monotonic()
        if now - self._worked_since > WORK_SECONDS:
            _sleep(PAUSE_SECONDS)
            self._worked_since = time.monotonic()
        return now < self._deadline


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A session file of Claude's with what lies beside it; sizes in bytes."""

    path: Path
    size: int
    mtime_ns: int
    subagents: int
    other: int
    """Of other files of the session: large results of tools, and the like."""

    @property
    def total(self) -> int:
        return self.size + self.subagents + self.other


@dataclass(frozen=True, slots=True)
class NamedSession:
    """One of the largest sessions, with what a person knows it by."""

    file: SessionFile
    title: str
    project_path: str
    at: float

    @property
    def address(self) -> str:
        """The path of its page, without the base path."""
        path = self.file.path
        return f"/projects/{path.parent.name}/sessions/{path.stem}#end"


@dataclass(frozen=True, slots=True)
class ProjectSize:
    """The sessions in one of Claude's folders; `path` is that of its largest session."""

    folder: str
    path: str
    sessions: int
    total: int
    largest: tuple[NamedSession, ...]
    """Empty but for the largest projects."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What takes space. Sizes are in bytes; `at` is a Unix time."""

    at: float
    complete: bool
    sessions: int
    session_bytes: int
    subagent_bytes: int
    other_bytes: int
    """Of other files of sessions."""
    claude_bytes: int
    """Of all else in Claude's folder."""
    projects: tuple[ProjectSize, ...]
    """The largest first."""
    largest: tuple[NamedSession, ...]
    state: tuple[tuple[str, int], ...]
    """The parts of the state folder that are there, in words, the largest first; not the trash."""
    trash_bytes: int
    free: int
    """Bytes that are free on the disk of Claude's folder."""

    @property
    def state_bytes(self) -> int:
        return sum(size for _, size in self.state)

    @property
    def total(self) -> int:
        claude = self.session_bytes + self.subagent_bytes + self.other_bytes + self.claude_bytes
        return claude + self.state_bytes + self.trash_bytes


class Surveyor:
    """Takes the survey in a thread, at most one at a time."""

    def __init__(self, config_dir: Path, state: StateDir) -> None:
        self._config_dir = config_dir
        self._state = state
        self._pace = Pace()
        self._survey = Background(self._take, lambda: changed(state.folder("trash")))

    @property
    def counted(self) -> int:
        """The number of files and folders that the current survey has counted so far."""
        return self._pace.steps

    def get(self, patience: float) -> Survey | None:
        """A survey of the last seconds if there is one within `patience` seconds.

        Else an older one, if nothing was deleted or restored since; None if there is none.
        """
        return self._survey.get(patience)

    def _take(self) -> Survey:
        self._pace = pace = Pace()
        files = list(session_files(self._config_dir, pace))
        by_folder: dict[str, list[SessionFile]] = {}
        for file in files:
            by_folder.setdefault(file.path.parent.name, []).append(file)
        groups = sorted(by_folder.items(), key=lambda each: -sum(file.total for file in each[1]))
        projects = tuple(
            _project(folder, group, LARGEST_OF_PROJECT if number < LARGEST else 1)
            for number, (folder, group) in enumerate(groups)
            if pace.step()
        )
        state = self._state_sizes(pace)
        return Survey(
            at=time.time(),
            sessions=len(files),
            session_bytes=sum(file.size for file in files),
            subagent_bytes=sum(file.subagents for file in files),
            other_bytes=sum(file.other for file in files),
            claude_bytes=size_of(
                self._config_dir, pace, {history.root(self._config_dir), self._state.path}
            ),
            projects=projects,
            largest=tuple(map(_named, nlargest(LARGEST, files, key=lambda file: file.total))),
            state=tuple(
                sorted(
                    (
                        (_capitalized(each.holds), size)
                        for each, size in state.items()
                        if size and each.name != "trash"
                    ),
                    key=lambda each: -each[1],
                )
            ),
            trash_bytes=sum(size for each, size in state.items() if each.name == "trash"),
            free=shutil.disk_usage(self._config_dir).free if self._config_dir.exists() else 0,
            complete=pace.step(),
        )

    def _state_sizes(self, pace: Pace) -> dict[StateFolder, int]:
        return {
            each: size_of(self._state.folder(each.name), pace, {self._config_dir})
            for each in self._state
        }


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def changed(folder: Path) -> int:
    """When an entry of a folder was made or removed last (ns); 0 if there is no such folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def session_files(config_dir: Path, pace: Pace) -> Iterator[SessionFile]:
    """All session files, as the lists of sessions find them."""
    for folder in history.claude_folders(config_dir):
        with contextlib.suppress(OSError):
            for path in sorted(folder.iterdir()):
                named = path.suffix == links.ENDING and SESSION_ID.fullmatch(path.stem)
                if pace.step() and named and (status := links.file_status(path)):
                    agents = subagents.folder_of(path)
                    yield SessionFile(
                        path=path,
                        size=status.st_size,
                        mtime_ns=status.st_mtime_ns,
                        subagents=size_of(agents, pace),
                        other=size_of(path.with_suffix(""), pace, {agents}),
                    )


def size_of(path: Path, pace: Pace, without: set[Path] | None = None) -> int:
    """The bytes of a file or of all files in a folder; of a part if the time is over."""
    total, folders = 0, [path]
    without = without or set()
    try:
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_size
    except OSError:
        return 0
    while folders and pace.step():
        try:
            entries = os.scandir(folders.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                pace.step()
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
                    elif (inner := Path(entry.path)) not in without:
                        folders.append(inner)
    return total


def _project(folder: str, files: list[SessionFile], most: int) -> ProjectSize:
    named = tuple(map(_named, nlargest(most, files, key=lambda file: file.total)))
    return ProjectSize(
        folder=folder,
        path=next((each.project_path for each in named if each.project_path), folder),
        sessions=len(files),
        total=sum(file.total for file in files),
        largest=named if most > 1 else (),
    )


def _named(file: SessionFile) -> NamedSession:
    try:
        seen = summarize(file.path, file.size, file.mtime_ns)
    except Exception:  # a list has the others, whatever one of them holds
        return NamedSession(file, "A session that cannot be read", "", file.mtime_ns / 1e9)
    title = seen.name or seen.title or "A session without messages"
    return NamedSession(file, title, seen.cwd or "", seen.last_activity)
