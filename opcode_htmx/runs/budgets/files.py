"""The files of budgets: changed by one writer at a time, and known to be unreadable where they are.

A file that is there and says nothing may hold a limit: it counts as one that is used up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full

VERSION = 1


@contextlib.contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Change files in turn with all workers. Raises OSError, DiskFull."""
    with raise_disk_full(), file_locks.held(lock):
        yield


def is_unreadable(files: CachedJsonFiles[Any], path: Path) -> bool:
    """Whether a file is there and says nothing."""
    if files.read(path) is not None:
        return False
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return files.read(path) is None  # it may have been made just now
