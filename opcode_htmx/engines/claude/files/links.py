"""Links below Claude's `projects/` folder: followed one level, at two places, and no further.

An entry of `projects/` may be a link to a folder, and a session file a link to a file that is
named `.jsonl` as well (dotfiles managers and shared accounts make such links, and the CLI writes
through them). The target of a link must not be a link again, so there are no loops and no chains.
The required name of the target keeps a page from serving other files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

ENDING = ".jsonl"


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder, or a link to one."""
    found = _at(path)
    return found is not None and stat.S_ISDIR(found[1].st_mode)


def file_status(path: Path | str) -> os.stat_result | None:
    """The status of a session file, or of the target of a link; None if there is none."""
    found = _at(path)
    if found is None or not found[0].endswith(ENDING) or not stat.S_ISREG(found[1].st_mode):
        return None
    return found[1]


def _at(path: Path | str) -> tuple[str, os.stat_result] | None:
    """What is at `path` behind at most one link, with its own name; None if there is nothing."""
    place = os.fspath(path)
    try:
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            link = Path(place)
            target = link.parent / link.readlink()
            place, status = target.name, target.lstat()
    except (OSError, ValueError):  # gone, not readable, or no path at all
        return None
    return None if stat.S_ISLNK(status.st_mode) else (place, status)
