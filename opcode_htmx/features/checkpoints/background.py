"""Finish restores that were cut short, and remove checkpoints whose sessions are gone."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from pathlib import Path

from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import restore as restores
from opcode_htmx.sessions.checkpoints.service import Checkpoints
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused

log = logging.getLogger(__name__)

EVERY_SECONDS = 6 * 3600.0


def finish_restores(context: AppContext) -> None:
    """Finish what a killed server has left. One that another worker is doing is waited for."""
    checkpoints = context.sessions.checkpoints
    for private in list(checkpoints.trees.known()):
        if not (private / restores.JOURNAL).exists():
            continue
        try:
            tree = checkpoints.trees.top_of(checkpoints.trees.top_in(private))
            with tree.locked():
                checkpoints.resume(tree)
        except (CheckpointRefused, GitFailed, OSError) as error:
            log.warning("a restore that was cut short cannot be finished: %s", error)


def collect(context: AppContext) -> int:
    """Remove the checkpoints of sessions that do not exist any more; of how many."""
    keep, sessions = context.settings.keep_runs, context.sessions
    store, removed = sessions.checkpoints.store, 0
    if not keep:
        return 0
    for session_id in list(store.sessions()):
        record = store.read(session_id)
        newest = max((each.at for each in record.checkpoints), default=0.0)
        if time.time() - newest < keep or _exists(context, session_id):
            continue
        sessions.checkpoints.remove(session_id, {each.number for each in record.checkpoints})
        store.remove(session_id)
        removed += 1
    _remove_unused_trees(context)
    return removed


def _exists(context: AppContext, session_id: str) -> bool:
    if context.sessions.locations.exists(session_id):
        return True
    return any(each.session_id == session_id for each in context.sessions.trash.all())


def _remove_unused_trees(context: AppContext) -> None:
    """Remove our folders for trees that no checkpoint is of, or that are gone."""
    checkpoints = context.sessions.checkpoints
    used = _tops(checkpoints)
    for private in list(checkpoints.trees.known()):
        with contextlib.suppress(FileNotFoundError):  # another worker has removed it
            if _is_unused(checkpoints, private, used):
                _remove_if_unused(checkpoints, private)


def _remove_if_unused(checkpoints: Checkpoints, private: Path) -> None:
    """Look again under the lock: a checkpoint may have been taken since the records were read."""
    lock = file_locks.take(private / "lock")
    if lock is None:
        return
    try:
        if _is_unused(checkpoints, private, _tops(checkpoints)):
            shutil.rmtree(private, ignore_errors=True)
    finally:
        os.close(lock)


def _tops(checkpoints: Checkpoints) -> set[str]:
    """The trees of all checkpoints."""
    return {
        each.top
        for session_id in checkpoints.store.sessions()
        for each in checkpoints.store.read(session_id).checkpoints
    }


def _is_unused(checkpoints: Checkpoints, private: Path, used: set[str]) -> bool:
    top = checkpoints.trees.top_in(private)
    return top not in used and (_is_old(private) or not Path(top).is_dir())


def _is_old(private: Path) -> bool:
    """Whether it was not used for a day: a checkpoint may be taken just now."""
    try:
        return (
            time.time() - (private / "lock").stat().st_mtime > 86400
            and not (private / restores.JOURNAL).exists()
        )
    except OSError:
        return False
