"""Stage and unstage: whole files exactly, hunks and lines by patches made from the diff as it is.

Nothing that the repository names runs here. Only the index changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import diffs
from opcode_htmx.lib.git.commands import index_paths, patches, state
from opcode_htmx.lib.git.commands.state import Side, StateChanged
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL, READING
from opcode_htmx.lib.git.porcelain import Entry

MOST_DIFF_BYTES = 16 * 1024 * 1024
_NO_BLOB = b"0" * 40
_APPLY = ("apply", "--whitespace=nowarn", "-p1")
_APPLY_SETTINGS = {"apply.ignoreWhitespace": "none", "core.safecrlf": "false"}

Chosen = Mapping[str, Collection[int] | None]
"""The indices of lines by the ids of their hunks; None for all lines of a hunk."""


class CannotSplit(Exception):
    """A file can be staged as a whole only; the text says why."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path on one side, and its diff there."""

    entry: Entry
    side: Side
    diff: diffs.FileDiff

    @property
    def whole_only(self) -> str:
        """Why no part of it can be chosen; empty if parts can be."""
        entry, diff = self.entry, self.diff
        if entry.is_conflict or diff.is_combined:
            return "It is in conflict."
        if entry.is_submodule or entry.is_repository:
            return "It is a repository of its own."
        if diff.is_binary:
            return "It is a binary file."
        if diff.sections > 1:
            return "It became another kind of file."
        if diff.is_cut:
            return "Its changes are too long."
        if not diff.hunks:
            return "None of its lines has changed."
        if self.side == "unstaged" and entry.unstaged == "?":
            return "It is a new file."
        return ""


def find(found: state.State, path: bytes, side: Side) -> Entry:
    """What has changed at a path on one side. Raises StateChanged if nothing has."""
    for each in found.entries:
        if each.path == path and (each.is_conflict or getattr(each, side)):
            return each
    words = "staged" if side == "staged" else "changed"
    raise StateChanged(
        f"“{path.decode('utf-8', 'replace')}” is not {words} any more. Nothing was done."
    )


def change(git: Git, entry: Entry, side: Side) -> FileChange:
    """The diff of a path as it is now; of a renamed file since its old name. Raises GitFailed."""
    is_renamed = side == "staged" and entry.staged == "R" and entry.origin is not None
    paths = (*((entry.origin or b"",) if is_renamed else ()), entry.path)
    output = git.under(READING).run(
        "diff",
        *diffs.OPTIONS,
        *(("--cached",) if side == "staged" else ()),
        "--",
        *map(_text, paths),
        settings=diffs.SETTINGS,
        variables=LITERAL,
        most_bytes=MOST_DIFF_BYTES,
    )
    return FileChange(entry, side, diffs.parse(output.content, entry.path, is_cut=output.cut))


def stage_files(git: Git, entries: Sequence[Entry]) -> None:
    """Put files into the index as they are in the working tree, gone ones too.

    Raises GitFailed and CannotSplit.
    """
    _check_kinds(entries)
    index_paths.stage(git, (each.path for each in entries), {"core.safecrlf": "false"})


def unstage_files(git: Git, entries: Sequence[Entry]) -> None:
    """Put files into the index as they are in HEAD; those that HEAD has not got leave it.

    Raises GitFailed.
    """
    paths = list(dict.fromkeys(_with_origins(entries)))
    if not paths:
        return
    at_head = _at_head(git, paths)
    rows = (
        at_head.get(path) or b"0 %s\t%s" % (_NO_BLOB, path)
        for path in sorted(paths, key=lambda path: path in at_head)
    )  # those that leave go first, as a file may stand where a folder was
    git.run("update-index", "-z", "--index-info", stdin=b"".join(row + b"\0" for row in rows))


def apply_lines(git: Git, found: FileChange, chosen: Chosen) -> None:
    """Stage the chosen lines of a changed file, or take them back out of the index.

    Raises StateChanged if one of the hunks is not there any more, NothingChosen, CannotSplit,
    GitFailed.
    """
    check_hunks(found, chosen)
    entry, is_back = found.entry, found.side == "staged"
    if patches.covers(found.diff.hunks, chosen) and not _has_more(found):
        act = unstage_files if is_back else stage_files
        act(git, [entry])
        return
    # a file that is gone from the index comes back with some of its lines
    mode = _mode_at_head(git, entry.path) if is_back and entry.staged == "D" else ""
    patch = patches.make(entry.path, found.diff.hunks, chosen, reverse=is_back, new_file_mode=mode)
    git.run(*_APPLY, "--cached", "-", stdin=patch, settings=_APPLY_SETTINGS)


def apply_to_files(git: Git, found: FileChange, chosen: Chosen) -> None:
    """Take the chosen lines back from the file in the working tree; the index stays.

    Raises as `apply_lines` does.
    """
    check_hunks(found, chosen)
    patch = patches.make(found.entry.path, found.diff.hunks, chosen, reverse=True)
    git.run(*_APPLY, "-", stdin=patch, settings=_APPLY_SETTINGS)


def check_hunks(found: FileChange, chosen: Chosen) -> None:
    """Raises CannotSplit, and StateChanged if one of the hunks is not there any more."""
    name = found.entry.path.decode("utf-8", "replace")
    known = {each.id: each for each in found.diff.hunks}
    if any(
        hunk_id not in known
        or (indices is not None and any(not 0 <= i < known[hunk_id].length for i in indices))
        for hunk_id, indices in chosen.items()
    ):
        raise StateChanged(
            f"“{name}” has changed since you looked. Nothing was done: look at it again."
        )
    if reason := found.whole_only:
        raise CannotSplit(f"“{name}” can be taken as a whole only. {reason}")


def _has_more(found: FileChange) -> bool:
    """Whether its mode or its name has changed, too: a choice of lines leaves them as they are."""
    return any(header.startswith((b"old mode ", b"rename from ")) for header in found.diff.headers)


def _check_kinds(entries: Iterable[Entry]) -> None:
    for each in entries:
        if each.is_repository:
            raise CannotSplit(
                f"“{each.path.decode('utf-8', 'replace')}” is a repository of its own. "
                "Add it as a submodule at the computer, or leave it out."
            )


def _with_origins(entries: Iterable[Entry]) -> Iterable[bytes]:
    """The paths, and those that staged renames came from."""
    for each in entries:
        yield each.path
        if each.origin is not None and each.staged == "R":
            yield each.origin


def _at_head(git: Git, paths: Sequence[bytes]) -> dict[bytes, bytes]:
    """Entries for the index as HEAD has them, by path: `mode object\\tpath`."""
    if not state.resolved(git, "HEAD"):
        return {}
    wanted, found = set(paths), dict[bytes, bytes]()
    listed = [_text(path) for path in paths] if len(paths) <= 200 else []
    output = git.run("ls-tree", "-z", "-r", "--full-tree", "HEAD", "--", *listed, variables=LITERAL)
    for row in output.content.split(b"\0")[:-1]:
        head, _, path = row.partition(b"\t")
        mode, _, blob = head.split(b" ")
        if path in wanted:
            found[path] = b"%s %s\t%s" % (mode, blob, path)
    return found


def _mode_at_head(git: Git, path: bytes) -> str:
    row = _at_head(git, [path]).get(path, b"100644")
    return row.partition(b" ")[0].decode("ascii", "replace")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
