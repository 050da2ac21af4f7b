"""The contents of the folder picker: where it is, what is typed, and what can be chosen there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.folders.listing import FolderEntry, Listing, free_name, list_folders
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.visible_text import visible_text
from opcode_htmx.runs.policies.working_folders import FolderMissing, InvalidFolder, reference
from opcode_htmx.sessions.folder_labels import name_of, place_of, shortened
from opcode_htmx.sessions.workspace import Workspace

DEFAULT_NAME = "new-project"
MOST_RECENT = 5
MOST_PROJECTS = 100
NAME_BYTES = 255
_PATHS = ("/", "~", "file:///")
"""How a text begins that is a path, and no part of a name."""


@dataclass(frozen=True, slots=True)
class RecentProject:
    """A folder in which Claude has worked. `last_activity` is a Unix time."""

    path: Path
    name: str
    place: str
    last_activity: float


@dataclass(frozen=True, slots=True)
class Crumb:
    """A folder on the way from a root to the one that is shown."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class PickerView:
    """What the picker shows. `listing` is None for the list of roots, and where there is none."""

    path: Path | None = None
    listing: Listing | None = None
    query: str = ""
    """The part of a name by which the folders are filtered."""
    is_prefix: bool = False
    """Whether the names begin with it: it is the end of a path that was typed."""
    new_name: str = DEFAULT_NAME
    """The name that is offered for a new folder."""
    error: str = ""


class FolderPicker:
    """Finds what to show for the parameters of the picker."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.folders = workspace.folders

    def start(self, chosen: str) -> Path | None:
        """The folder that is shown first: the one around the chosen one, else the first root."""
        try:
            parent = self.folders.choose(chosen).parent if chosen else None
            if parent and self.folders.root_of(parent):
                return parent
        except InvalidFolder:
            pass
        return next(iter(self.folders.roots), None)

    def view(
        self, inside: str, typed: str, chosen: str, *, with_hidden: bool = False, name: str = ""
    ) -> PickerView:
        """The folders in `inside`, filtered by what was typed; or those at a path that was typed.

        Never raises InvalidFolder: the sentence is a part of the view, with the folder above.
        """
        typed = typed.strip()
        if typed.startswith(_PATHS):
            place = self._at(typed)
            if place.query and Path(typed).name == place.query:
                place = replace(place, error="")  # still being typed
        elif inside:
            place = replace(self._at(inside), new_name="")
        else:
            place = PickerView(self.start(chosen), new_name="")
        if typed and not typed.startswith(_PATHS):
            place = replace(place, query=typed)
        return self._listed(place, with_hidden, name)

    def _at(self, text: str) -> PickerView:
        """The folder at a path, or the nearest one above that exists."""
        try:
            return PickerView(self.folders.choose(text), new_name="")
        except FolderMissing as missing:
            near = missing.path
            while not os.path.lexists(near) and self.folders.root_of(near.parent):
                near = near.parent
            query = missing.path.relative_to(near).parts[0] if near != missing.path else ""
            is_next = near == missing.path.parent
            return PickerView(near, None, query, True, query if is_next else "", str(missing))
        except InvalidFolder as error:
            return PickerView(self._above(text), error=str(error), new_name="")

    def _above(self, text: str) -> Path | None:
        """The nearest usable folder above one that cannot be used, else the first root."""
        try:
            near = Path(text).expanduser()
            for parent in near.parents if near.is_absolute() else ():
                try:
                    return self.folders.choose(reference(parent))
                except InvalidFolder:
                    continue
        except (RuntimeError, ValueError):  # an unknown user, a NUL
            pass
        return self.start("")

    def _listed(self, place: PickerView, with_hidden: bool, name: str) -> PickerView:
        if place.path is None:
            return replace(place, error=place.error or "None of the project roots exists.")
        try:
            listing = list_folders(
                self.folders,
                place.path,
                query=place.query,
                is_prefix=place.is_prefix,
                with_hidden=with_hidden,
            )
        except InvalidFolder as error:
            return replace(place, error=place.error or str(error))
        wanted = place.new_name or (place.query if is_name(place.query) else "")
        wanted = wanted or (name if is_name(name) else DEFAULT_NAME)
        return replace(place, listing=listing, new_name=free_name(place.path, wanted))

    def make(self, inside: str, name: str) -> Path:
        """Make a folder; one that is there and empty will do. Raises InvalidFolder."""
        name = name.strip()
        if not is_name(name):
            raise InvalidFolder(
                "A folder’s name may not be empty, longer than 255 bytes, “.” or “..”, and may "
                "not contain “/” or invisible characters."
            )
        path = self.folders.choose(inside) / name
        try:
            # a second tap finds the folder that the first one has made
            is_taken = path.is_symlink() or (path.exists() and not _is_empty(path))
        except OSError:
            is_taken = True
        if is_taken:
            raise InvalidFolder(f"There is a “{name}” already. Take it, or another name.")
        return self.folders.make(reference(path))

    def recent(self, most: int) -> list[RecentProject]:
        """The projects in which Claude may go on working, the last used first."""
        return [each for each, _ in zip(self._projects(), range(most), strict=False)]

    def _projects(self) -> Iterator[RecentProject]:
        seen = set[Path]()
        for project in sessions.outline(self._workspace.config_dir):
            try:
                path = self.folders.choose(reference(Path(project.path or "")))
            except InvalidFolder:
                continue
            if path not in seen:
                seen.add(path)
                place = place_of(path, self._workspace)
                yield RecentProject(
                    path, name_of(path, self._workspace), place, project.last_activity
                )

    def roots(self) -> list[FolderEntry]:
        """The roots, as entries of a list."""
        return [
            FolderEntry(self._root_name(root), root, os.path.lexists(root / ".git"))
            for root in self.folders.roots
        ]

    def crumbs(self, path: Path) -> list[Crumb]:
        """The folders from the root to `path`, both included."""
        root = self.folders.root_of(path) or path
        between = [*reversed([p for p in path.parents if p.is_relative_to(root)]), path]
        first, *others = between
        return [Crumb(first, self._root_name(first)), *(Crumb(each, each.name) for each in others)]

    def _root_name(self, root: Path) -> str:
        """A root is named by its whole path, unless there are words for it."""
        name = name_of(root, self._workspace)
        return shortened(root) if name == root.name else name


def is_name(text: str) -> bool:
    """Whether a new folder may have this name."""
    return (
        bool(text.strip())
        and text not in (".", "..")
        and "/" not in text
        and visible_text(text, joined=True) == text
        and len(text.encode("utf-8", "replace")) <= NAME_BYTES
    )


def _is_empty(path: Path) -> bool:
    return path.is_dir() and next(path.iterdir(), None) is None
