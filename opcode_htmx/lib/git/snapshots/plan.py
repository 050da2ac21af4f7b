"""Compare two snapshots: what a restore of one of them changes, and what it leaves alone."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.snapshots.listing import is_safe
from opcode_htmx.lib.git.snapshots.snapshot import Facts, Snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree
from opcode_htmx.lib.late.patterns import late_pattern

_RAW = late_pattern(rb":([0-7]{6}) ([0-7]{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])")
_FOLDER = 0o40000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a link or an empty folder in a snapshot."""

    mode: int
    """git's: 0o100644, 0o100755, 0o120000; 0o40000 for a folder."""
    object_id: str
    permissions: int | None
    """None for a link."""

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_folder(self) -> bool:
        return self.mode == _FOLDER


class Kept(StrEnum):
    """Why a restore leaves a path alone, although it is not as in the snapshot."""

    IGNORED = "ignored"
    """The repository ignored it then, so that snapshot does not have it."""
    LEFT_OUT = "left out"
    """It was left out of that snapshot, or of the one that was taken before the restore."""
    CHANGED = "changed"
    """It was changed after that one was taken."""
    FAILED = "failed"
    """It could not be written."""


@dataclass(frozen=True, slots=True)
class Change:
    """A path that differs: as it is now, and as it was then; None where there is none."""

    path: bytes
    now: Entry | None
    then: Entry | None


@dataclass(slots=True)
class Plan:
    """What a restore does."""

    changes: list[Change] = field(default_factory=list)
    kept: dict[bytes, Kept] = field(default_factory=dict)


def make(tree: WorkingTree, now: Snapshot, then: Snapshot) -> Plan:
    """What leads from one snapshot to another. Raises GitFailed, OSError."""
    plan = Plan()
    differing = {change.path: change for change in compare(tree, now, then)}
    for path in differing:
        if now.facts.omits(path) or then.facts.omits(path):
            plan.kept[path] = Kept.LEFT_OUT
    gone = [path for path, each in differing.items() if each.then is None and path not in plan.kept]
    for path in _ignored_then(tree, then, gone):
        plan.kept[path] = Kept.IGNORED
    plan.changes = [each for path, each in sorted(differing.items()) if path not in plan.kept]
    return plan


def compare(tree: WorkingTree, now: Snapshot, then: Snapshot) -> list[Change]:
    """All paths that differ between two snapshots. Raises GitFailed."""
    found: dict[bytes, Change] = {}
    for path, before, after in yielding(_differing(tree, now.tree, then.tree)):
        is_, was = _entry(now.facts, path, *before), _entry(then.facts, path, *after)
        found[path] = Change(path, is_, was)
    for change in _other_modes(tree, now, then):
        found.setdefault(change.path, change)
    for path in now.facts.empty | then.facts.empty:
        known = found.get(path, Change(path, None, None))
        is_ = _empty(now.facts, path) or known.now
        was = _empty(then.facts, path) or known.then
        if is_ != was:
            found[path] = Change(path, is_, was)
    return list(found.values())


def line_counts(
    tree: WorkingTree, first: Snapshot, second: Snapshot
) -> dict[bytes, tuple[int, int] | None]:
    """The lines that are added and removed on the way to the second, by path; None: binary.

    Raises GitFailed.
    """
    if first.tree == second.tree:
        return {}
    options = ("-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    found: dict[bytes, tuple[int, int] | None] = {}
    for line in tree.ours("diff-tree", *options, first.tree, second.tree).split(b"\0"):
        counts = line.split(b"\t", 2)
        if len(counts) == 3 and is_safe(counts[2]):
            is_text = counts[0] != b"-"
            found[counts[2]] = (int(counts[0]), int(counts[1])) if is_text else None
    return found


def content(tree: WorkingTree, entry: Entry | None) -> bytes:
    """The content of a file, or where a link leads; empty for a folder, or nothing."""
    if entry is None or not entry.object_id:
        return b""
    return tree.ours("cat-file", "blob", entry.object_id)


def blobs(tree: WorkingTree, ids: Sequence[str], size: int = 1 << 26) -> dict[str, bytes]:
    """The contents of files by their ids, all at once; `size` bounds them. Raises GitFailed."""
    if not ids:
        return {}
    output = tree.ours(
        "cat-file", "--batch", stdin="\n".join(ids).encode() + b"\n",
        most_bytes=size + 200 * len(ids),
    )  # fmt: skip
    found: dict[str, bytes] = {}
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        name, _, length = output[at:end].split(b" ")
        found[name.decode()] = output[end + 1 : end + 1 + int(length)]
        at = end + 2 + int(length)
    return found


def names(tree: WorkingTree, snapshot: Snapshot) -> list[bytes]:
    """The paths of the files in a snapshot. Raises GitFailed."""
    output = tree.ours("ls-tree", "-r", "-z", "--name-only", "--full-tree", snapshot.tree)
    return run_cpu_in_thread(lambda: [path for path in output.split(b"\0") if is_safe(path)])


def _differing(
    tree: WorkingTree, now: str, then: str
) -> Iterator[tuple[bytes, tuple[int, str], tuple[int, str]]]:
    if now == then:
        return
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff")
    parts = tree.ours("diff-tree", *options, now, then).split(b"\0")
    for raw, path in zip(parts[::2], parts[1::2], strict=False):
        found = _RAW.fullmatch(raw)
        if found and is_safe(path):
            first = int(found[1], 8), found[3].decode()
            yield path, first, (int(found[2], 8), found[4].decode())


def _entry(facts: Facts, path: bytes, mode: int, object_id: str) -> Entry | None:
    if not mode:
        return None
    return Entry(mode, object_id, facts.mode(path, mode))


def _empty(facts: Facts, path: bytes) -> Entry | None:
    return Entry(_FOLDER, "", facts.folder_mode(path)) if path in facts.empty else None


def _other_modes(tree: WorkingTree, now: Snapshot, then: Snapshot) -> Iterator[Change]:
    """Files of both, and folders, whose permissions differ; one that differs anyway may be one."""
    usual_differ = dict(now.facts.usual) != dict(then.facts.usual)
    odd = {
        path
        for path in {*now.facts.modes, *then.facts.modes}
        if now.facts.modes.get(path) != then.facts.modes.get(path)
    }
    if not odd and not usual_differ:
        return
    for path, mode, object_id in yielding(_entries(tree, then.tree)):
        if not usual_differ and path not in odd:
            continue
        is_, was = now.facts.mode(path, mode), then.facts.mode(path, mode)
        if is_ != was:
            yield Change(path, Entry(mode, object_id, is_), Entry(mode, object_id, was))


def _entries(tree: WorkingTree, root: str) -> Iterator[tuple[bytes, int, str]]:
    """The files and folders of a tree: paths, modes of git, ids; folders have none."""
    output = tree.ours("ls-tree", "-r", "-t", "-z", "--full-tree", root)
    for line in output.split(b"\0"):
        meta, _, path = line.partition(b"\t")
        if is_safe(path):
            mode, kind, object_id = meta.split(b" ")
            yield path, int(mode, 8), "" if kind == b"tree" else object_id.decode()


def _ignored_then(tree: WorkingTree, then: Snapshot, paths: list[bytes]) -> set[bytes]:
    """Those of the paths that the rules of a snapshot ignore: it would not have had them."""
    rules = {
        path: object_id
        for path, mode, object_id in yielding(_entries(tree, then.tree))
        if path.rpartition(b"/")[2] == b".gitignore" and stat.S_ISREG(mode)
    }
    if not paths or not rules:
        return set()
    place = Path(tempfile.mkdtemp(prefix="rules-", dir=tree.place))
    try:
        texts = blobs(tree, list(rules.values()))
        for path, object_id in rules.items():
            target = Path(str(place)) / Path(path.decode("utf-8", "surrogateescape"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(texts.get(object_id, b""))
        return tree.ignored(paths, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
