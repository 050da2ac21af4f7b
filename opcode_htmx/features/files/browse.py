"""What the page of a folder shows: a page of its entries, with git's marks."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.features.files import marks
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import listing
from opcode_htmx.lib.tree.listing import Entry, Listing
from opcode_htmx.lib.tree.names import Names, text_of
from opcode_htmx.lib.tree.tree import Tree

PAGE = 200
"""Entries of one page."""
MOST_ASKED = 20_000
"""Entries up to which git is asked about all of them; of a larger folder about those of the page,
where ignored ones are marked and not left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it is listed; `path` and `target` are as `names.text_of` gives them."""

    name: str
    path: str
    kind: str
    size: int
    changed_at: float
    is_link: bool
    target: str | None
    mark: str
    """A word or two of git; empty if there is nothing to say."""
    is_ignored: bool


@dataclass(frozen=True, slots=True)
class FolderView:
    """A page of a folder. Entries are numbered from 1."""

    names: Names
    rows: list[Row]
    first: int
    found: int
    """The number of entries on all pages."""
    left_out: int
    """Hidden and ignored entries that are not listed."""
    page: int
    pages: int
    is_git: bool
    is_partial: bool


def folder_view(
    tree: Tree, names: Names, environment: Mapping[str, str], *, everything: bool, page: int
) -> FolderView:
    """A page of a folder, whose names must not be links. Raises FileMissing, FileRefused.

    Without `everything` hidden and ignored entries are left out.
    """
    read, kept = run_cpu_in_thread(_names, tree, names, everything)
    is_small = len(kept) <= MOST_ASKED
    found = marks.marks_of(tree.at(names), kept, environment) if is_small else None
    if found and not everything:
        kept = [name for name in kept if name not in found.ignored]
    pages = max(1, -(-len(kept) // PAGE))
    page = min(max(1, page), pages)
    shown = kept[(page - 1) * PAGE : page * PAGE]
    if found is None:
        found = marks.marks_of(tree.at(names), shown, environment)
    entries = run_in_thread(listing.entries_of, tree, names, shown)
    return FolderView(
        names=names,
        rows=[_row(names, each, found) for each in entries],
        first=(page - 1) * PAGE + 1,
        found=len(kept),
        left_out=len(read.names) - len(kept),
        page=page,
        pages=pages,
        is_git=found.is_git,
        is_partial=read.is_partial,
    )


def _names(tree: Tree, names: Names, everything: bool) -> tuple[Listing, list[str]]:
    """All names in a folder, and those that are not hidden."""
    read = listing.names_in(tree, names)
    return read, [name for name in read.names if everything or not name.startswith(".")]


def _row(names: Names, entry: Entry, found: marks.Marks) -> Row:
    return Row(
        name=entry.name,
        path=text_of((*names, entry.name)),
        kind=entry.kind,
        size=entry.size,
        changed_at=entry.changed_at,
        is_link=entry.is_link,
        target=None if entry.target is None else text_of(entry.target),
        mark=found.of(entry.name),
        is_ignored=entry.name in found.ignored,
    )
