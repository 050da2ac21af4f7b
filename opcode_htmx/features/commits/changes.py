"""Stage, unstage, discard and resolve, as forms and programs ask for it.

Each reads the state anew under the lock of the repository, and refuses what is not there any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from opcode_htmx.features.commits.projects import Answer, Projects
from opcode_htmx.features.commits.register import Register
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git.commands import branches, conflicts, programs, staging, stashes, state
from opcode_htmx.lib.git.commands.conflicts import Choice
from opcode_htmx.lib.git.commands.staging import CannotSplit
from opcode_htmx.lib.git.commands.state import Side, State, StateChanged
from opcode_htmx.lib.git.discards import files, kept
from opcode_htmx.lib.git.discards.kept import Kept
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.porcelain import Entry
from opcode_htmx.web.http.forms import whole_number

EVERYTHING = "*"
"""In place of the path of a file: all files of the side."""


class NothingNamed(Exception):
    """A request names no file and no lines; the text says so."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Files of one side, or some hunks and lines of one file.

    `paths` are shown as text; `hunks` are ids, `lines` are `id:index`.
    """

    paths: tuple[str, ...] = ()
    hunks: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return bool(self.hunks or self.lines)

    @property
    def chosen(self) -> dict[str, Collection[int] | None]:
        """Raises NothingNamed."""
        found: dict[str, set[int]] = {}
        for each in self.lines:
            hunk_id, _, index = each.partition(":")
            number = whole_number(index)
            if number is None:
                raise NothingNamed("A line is named by its hunk and its number.")
            found.setdefault(hunk_id, set()).add(number)
        return {**found, **dict.fromkeys(self.hunks)}


@dataclass(frozen=True, slots=True)
class Done:
    """What was done; `kept_id` brings it back, if something can be brought back."""

    words: str
    kept_id: str = ""


class Changes:
    """Acts on the working tree and the index of projects."""

    def __init__(self, projects: Projects, register: Register) -> None:
        self._projects = projects
        self._register = register

    def stage(self, project_id: str, selection: Selection, answer: Answer) -> Done:
        """Stage files, hunks or lines. Raises Unconfirmed, StateChanged, CannotSplit, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            found = state.read(git)
            if selection.is_partial:
                self._lines(git, found, selection, "unstaged")
                return Done("Staged.")
            entries = chosen_entries(found, selection.paths, "unstaged")
            acting = answer.acting(git, self._filters(git, entries))
            staging.stage_files(acting, entries)
            return Done(f"Staged {count(len(entries), 'file')}.")

    def unstage(self, project_id: str, selection: Selection) -> Done:
        """Take files, hunks or lines out of the index. Raises StateChanged, CannotSplit,
        GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            found = state.read(git)
            if selection.is_partial:
                self._lines(git, found, selection, "staged")
                return Done("Unstaged.")
            entries = chosen_entries(found, selection.paths, "staged")
            staging.unstage_files(git, entries)
            return Done(f"Unstaged {count(len(entries), 'file')}.")

    def discard(self, project_id: str, selection: Selection, answer: Answer) -> Done:
        """Discard files, hunks or lines; they can be brought back. Raises as `stage` does, and
        CannotKeep."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            found = state.read(git)
            self._register.note(git.repository.top)
            if selection.is_partial:
                change = self._change(git, found, selection, "unstaged")
                title = f"Lines of {_shown(change.entry.path)}"
                kept_id = files.discard_lines(git, change, selection.chosen, title)
                return Done("Discarded.", kept_id)
            entries = chosen_entries(found, selection.paths, "unstaged")
            known = [each for each in entries if each.unstaged not in "?A"]
            acting = answer.acting(git, self._filters(git, known))
            name = _shown(entries[0].path)
            title = name if len(entries) == 1 else f"{name} and {len(entries) - 1} more"
            return Done(
                f"Discarded {count(len(entries), 'file')}.",
                files.discard_files(acting, entries, title),
            )

    def bring_back(self, project_id: str, kept_id: str) -> Done:
        """Bring back what was discarded, dropped or deleted. Raises StateChanged, CannotKeep,
        GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            found = kept.find(git, kept_id)
            if found is None:
                raise StateChanged("This is not kept any more.")
            if found.kind == "stash":
                stashes.bring_back(git, kept_id)
                return Done("The stash is back.")
            if found.kind == "branch":
                name = branches.bring_back(git, kept_id)
                return Done(f"The branch “{name}” is back.")
            self._register.note(git.repository.top)
            replaced = files.bring_back(git, kept_id)
            words = " What was there meanwhile is kept in turn." if replaced else ""
            return Done(f"It is back as it was.{words}", replaced)

    def kept(self, project_id: str) -> list[Kept]:
        """What can be brought back. Raises GitFailed."""
        return kept.listed(self._projects.open(project_id))

    def resolve(self, project_id: str, path: str, choice: Choice, answer: Answer) -> Done:
        """Resolve a file in conflict. Raises Unconfirmed, StateChanged, CannotKeep, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            found = state.read(git)
            self._register.note(git.repository.top)
            entry = _entry(found.conflicts, path)
            acting = answer.acting(git, self._filters(git, [entry]))
            kept_id = conflicts.resolve(acting, entry, choice)
            return Done(f"“{_shown(entry.path)}” is resolved.", kept_id)

    def abort(self, project_id: str, operation: str, answer: Answer) -> Done:
        """Stop a merge, a rebase or the like. Raises Unconfirmed, StateChanged, CannotKeep,
        GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            self._register.note(git.repository.top)
            acting = answer.acting(git, programs.of(git, "switch"))
            kept_id = conflicts.abort(acting, operation)
            return Done(f"The {operation} was stopped.", kept_id)

    def change(self, project_id: str, path: str, side: Side) -> staging.FileChange:
        """The diff of one file. Raises StateChanged, GitFailed."""
        git = self._projects.open(project_id, READING)
        entry = _entry(getattr(state.read(git), side), path)
        return staging.change(git, entry, side)

    def _change(
        self, git: Git, found: State, selection: Selection, side: Side
    ) -> staging.FileChange:
        if len(selection.paths) != 1:
            raise NothingNamed("Lines are chosen in one file at a time.")
        entry = _entry(getattr(found, side), selection.paths[0])
        if programs.filters_of(git, [entry.path]):
            raise CannotSplit(
                f"“{_shown(entry.path)}” goes through a filter, so it can be taken as a whole only."
            )
        return staging.change(git, entry, side)

    def _lines(self, git: Git, found: State, selection: Selection, side: Side) -> None:
        change = self._change(git, found, selection, side)
        staging.apply_lines(git, change, selection.chosen)

    def _filters(self, git: Git, entries: Sequence[Entry]) -> Programs:
        """What runs when these files are read or written as they should be."""
        filters = programs.filters_of(git, [each.path for each in entries])
        if not filters:
            return filters
        return Programs((*filters.found, *programs.of(git, "files").found))


def chosen_entries(found: State, paths: Iterable[str], side: Side) -> list[Entry]:
    """The entries with these paths on one side. Raises StateChanged, NothingNamed."""
    entries: tuple[Entry, ...] = getattr(found, side)
    wanted = list(dict.fromkeys(paths))
    if wanted == [EVERYTHING]:
        entries = tuple(each for each in entries if not each.is_repository)
        if not entries:
            raise StateChanged("There is no such change any more. Nothing was done.")
        return list(entries)
    if not wanted:
        raise NothingNamed("Choose a file.")
    known: dict[str, list[Entry]] = {}
    for entry in yielding(entries):  # there may be a hundred thousand
        known.setdefault(_shown(entry.path), []).append(entry)
    return [_only(known.get(path, []), path) for path in wanted]


def _entry(entries: Sequence[Entry], path: str) -> Entry:
    """The entry at a path as it is shown. Raises StateChanged."""
    return _only([each for each in entries if _shown(each.path) == path], path)


def _only(matching: Sequence[Entry], path: str) -> Entry:
    if len(matching) != 1:
        words = "has changed meanwhile" if not matching else "stands for several files"
        raise StateChanged(f"“{path}” {words}. Nothing was done: look again.")
    return matching[0]


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
