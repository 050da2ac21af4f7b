"""Restore a snapshot: change the paths that differ, and nothing that is not saved.

A journal makes a restore that was killed go on: each path is as it was, as it is to be, or was
changed by somebody else meanwhile, and such a one is left alone. The snapshot that is taken first
has all that is overwritten or deleted, so restoring that one is the undo.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots import snapshot as snapshots
from opcode_htmx.lib.git.snapshots.places import Places
from opcode_htmx.lib.git.snapshots.plan import Change, Entry, Kept, Plan
from opcode_htmx.lib.git.snapshots.snapshot import Snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree

VERSION = 1
_AT_ONCE_BYTES = 16 * 1024 * 1024
_AT_ONCE = 500
JOURNAL = "restore.json"
_BYTES = "latin-1"
"""Paths may be any bytes, and text in a JSON file may not."""
_JOURNAL = JsonFileSchema(VERSION, dict)


@dataclass(slots=True)
class Outcome:
    """What a restore has done. Paths are bytes."""

    changed: int = 0
    kept: dict[bytes, Kept] = field(default_factory=dict)
    """The paths that it left alone although they differ, and why."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A restore that was cut short, which `resume` has finished."""

    about: Mapping[str, Any]
    outcome: Outcome


def save_now(tree: WorkingTree, then: Snapshot, about: Mapping[str, Any]) -> Snapshot:
    """A snapshot of now that also has what the other one has and is ignored now, on the disk."""
    return snapshots.take(tree, about, also=plans.names(tree, then), durable=True)


def run(
    tree: WorkingTree,
    now: Snapshot,
    then: Snapshot,
    about: Mapping[str, Any],
    at_step: Callable[[str], None] = lambda step: None,
) -> Outcome:
    """Restore `then`. The caller holds the lock, and has just taken `now` and set its reference.

    `about` is kept in the journal. `at_step` is called between the steps, for tests. Raises
    GitFailed, OSError; what was begun then goes on at `resume`.
    """
    plan = plans.make(tree, now, then)
    at_step("planned")
    kept = {path.decode(_BYTES): str(why) for path, why in plan.kept.items()}
    content = {"now": now.commit, "then": then.commit, "kept": kept, "about": dict(about)}
    _JOURNAL.write(tree.private / JOURNAL, content)
    at_step("journal")
    return _finish(tree, plan, then, at_step)


def resume(
    tree: WorkingTree, at_step: Callable[[str], None] = lambda step: None
) -> Unfinished | None:
    """Finish a restore that was cut short; the caller holds the lock. None if there is none."""
    found = _JOURNAL.read(tree.private / JOURNAL)
    if found is None:
        return None
    now = snapshots.read(tree, as_str(found.get("now")))
    then = snapshots.read(tree, as_str(found.get("then")))
    kept = {path.encode(_BYTES): Kept(why) for path, why in as_dict(found.get("kept")).items()}
    changes = [each for each in plans.compare(tree, now, then) if each.path not in kept]
    changes.sort(key=lambda change: change.path)
    places = _places(tree, then)
    for folder in {each.path.rpartition(b"/")[0] for each in changes}:
        places.clean(folder)
    outcome = _finish(tree, Plan(changes, kept), then, at_step)
    return Unfinished(as_dict(found.get("about")), outcome)


def is_unfinished(tree: WorkingTree) -> bool:
    return (tree.private / JOURNAL).exists()


def _finish(
    tree: WorkingTree, plan: Plan, then: Snapshot, at_step: Callable[[str], None]
) -> Outcome:
    outcome = Outcome(kept=dict(plan.kept))
    places = _places(tree, then)
    _Restore(tree, places, then, outcome, at_step).apply(plan.changes)
    if outcome.changed:
        run_in_thread(os.sync)
    at_step("synced")
    (tree.private / JOURNAL).unlink(missing_ok=True)
    return outcome


def _places(tree: WorkingTree, then: Snapshot) -> Places:
    kind = "sha256" if len(then.commit) == 64 else "sha1"
    return Places(tree.top, f".opcode-restore-{then.commit[:12]}-", kind)


class _Restore:
    """One restore, in progress."""

    def __init__(
        self,
        tree: WorkingTree,
        places: Places,
        then: Snapshot,
        outcome: Outcome,
        at_step: Callable[[str], None],
    ) -> None:
        self._tree = tree
        self._places = places
        self._then = then
        self._outcome = outcome
        self._at_step = at_step

    def apply(self, changes: Sequence[Change]) -> None:
        # Files go before folders are made in their place, and the deepest folders first
        for change in reversed(changes):
            if change.then is None or _is_folder(change.now) != _is_folder(change.then):
                self._attempt(change, self._remove)
        self._remove_folders(changes)
        for group in _groups(self._tree, changes):
            for change, content in group:
                self._attempt(change, partial(self._put, content))
        for change in reversed(changes):
            if change.then is not None and _is_folder(change.then) and change.then != change.now:
                self._attempt(change, self._set_mode)

    def _attempt(self, change: Change, act: Callable[[Change], bool | None]) -> None:
        """Do something about a path; a path that fails is left alone, and named."""
        if change.path in self._outcome.kept:
            return
        try:
            done = run_in_thread(act, change)
            if done is False:
                self._outcome.kept[change.path] = Kept.CHANGED
            elif done:
                self._outcome.changed += 1
        except OSError:
            self._outcome.kept[change.path] = Kept.FAILED
        self._at_step("path")

    def _remove(self, change: Change) -> bool | None:
        """Remove what is there now; None if there is nothing to do, False if it has changed."""
        if change.now is None or self._is_done(change):
            return None
        if _is_folder(change.now):
            return self._places.remove_folder(change.path) or None
        if not self._places.is_as(change.path, change.now):
            return None if self._places.state(change.path) is None else False
        self._places.remove(change.path)
        return True if change.then is None else None

    def _put(self, content: bytes, change: Change) -> bool | None:
        then = change.then
        if then is None or self._is_done(change):
            return None
        expected = change.now
        if _is_folder(change.now) != _is_folder(then):
            expected = None  # it was removed before
        if expected is not None and not self._places.is_as(change.path, expected):
            # killed between the removal and this
            if self._places.state(change.path) is not None:
                return False
            expected = None
        if expected is None and self._places.state(change.path) is not None and not then.is_folder:
            return False
        self._make_parents(change.path)
        if then.is_folder:
            if self._places.state(change.path) is not None:
                return None
            self._places.make_folder(change.path, _mode(then) | 0o700)
            return True
        if expected and (expected.mode & 0o170000, expected.object_id) == (
            then.mode & 0o170000,
            then.object_id,
        ):
            self._places.set_permissions(change.path, _mode(then))
            return True
        return self._places.write(change.path, then, content, expected)

    def _set_mode(self, change: Change) -> bool | None:
        if change.then is None or change.then.permissions is None or self._is_done(change):
            return None
        self._places.set_permissions(change.path, change.then.permissions)
        return True

    def _is_done(self, change: Change) -> bool:
        return self._places.is_as(change.path, change.then, permissions=True)

    def _make_parents(self, path: bytes) -> None:
        parts = path.split(b"/")[:-1]
        for number in range(1, len(parts) + 1):
            folder = b"/".join(parts[:number])
            # as the folder is to be in the end, but that files can be written into it
            self._places.make_folder(folder, self._then.facts.folder_mode(folder) | 0o700)

    def _remove_folders(self, changes: Sequence[Change]) -> None:
        """Remove the folders that have lost their last entry, from the deepest up."""
        folders: set[bytes] = set()
        for change in changes:
            path = change.path
            if change.now is None or change.path in self._outcome.kept:
                continue
            while path := path.rpartition(b"/")[0]:
                folders.add(path)
        for folder in sorted(folders, key=lambda each: -each.count(b"/")):
            if folder not in self._then.facts.empty:
                run_in_thread(self._places.remove_folder, folder)


def _mode(entry: Entry) -> int:
    return 0o600 if entry.permissions is None else entry.permissions


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.is_folder


def _groups(tree: WorkingTree, changes: Sequence[Change]) -> Iterator[list[tuple[Change, bytes]]]:
    """The changes that put something in place, with contents, as many as fit into memory."""
    wanted = [each for each in changes if each.then is not None]
    ids = [each.then.object_id for each in wanted if each.then and each.then.object_id]
    sizes = _sizes(tree, ids)
    group: list[Change] = []
    size = 0
    for change in wanted:
        of_this = sizes.get(change.then.object_id, 0) if change.then else 0
        if group and (size + of_this > _AT_ONCE_BYTES or len(group) >= _AT_ONCE):
            yield _with_contents(tree, group, size)
            group, size = [], 0
        group.append(change)
        size += of_this
    if group:
        yield _with_contents(tree, group, size)


def _sizes(tree: WorkingTree, ids: Sequence[str]) -> dict[str, int]:
    if not ids:
        return {}
    lines = "\n".join(ids).encode() + b"\n"
    output = tree.ours("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=lines)
    pairs = (line.split(b" ") for line in output.splitlines())
    return {name.decode(): int(size) for name, size in pairs}


def _with_contents(
    tree: WorkingTree, group: Sequence[Change], size: int
) -> list[tuple[Change, bytes]]:
    ids = [each.then.object_id for each in group if each.then and each.then.object_id]
    contents = plans.blobs(tree, ids, size)
    return [(each, contents.get(each.then.object_id, b"") if each.then else b"") for each in group]
