"""Read the files of a project that nobody has trusted, within bounds on their size and number."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

MOST_BYTES = 1024 * 1024
"""Of one file; what is larger is listed as unreadable."""
MOST_BYTES_IN_ALL = 8 * 1024 * 1024
MOST_FILES = 500
"""Of commands, skills, agents and workflows in one folder each."""
MOST_ENTRIES = 5000
"""Of the folders that are looked through for them."""


class Files:
    """Reads files, and only so many bytes of all of them together."""

    def __init__(self) -> None:
        self._left = MOST_BYTES_IN_ALL

    def read(self, path: Path) -> tuple[str | None, str]:
        """The text of a file; else None and the reason, empty where there is no such file."""
        try:
            # a pipe without a writer would block
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None, "This is not a regular file."
                content = file.read(min(MOST_BYTES, self._left) + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None, ""
        except OSError as error:
            return None, f"This file cannot be read: {error.strerror}."
        if len(content) > min(MOST_BYTES, self._left):
            return None, f"This file is larger than {MOST_BYTES:,} bytes, or all of them are."
        self._left -= len(content)
        return content.decode("utf-8", "surrogateescape"), ""


def files_below(folder: Path) -> tuple[list[Path], str]:
    """The files below a folder, links followed, and what identifies the rest if there is one."""
    found: list[Path] = []
    above: dict[str, frozenset[tuple[int, int]]] = {}
    entries = 0
    rest = ""
    for where, folders, names in os.walk(folder, followlinks=True):
        inside = above.pop(where, frozenset())
        with contextlib.suppress(OSError):
            here = Path(where).stat()
            if (here.st_dev, here.st_ino) in inside:  # a link to a folder above
                folders.clear()
                continue
            inside |= {(here.st_dev, here.st_ino)}
        above |= {str(Path(where, name)): inside for name in folders}
        entries += len(folders) + len(names)
        folders.sort()
        found += (Path(where, name) for name in sorted(names))
        if entries > MOST_ENTRIES:
            rest = stamp(Path(where))
            break
    left_out = [*map(stamp, found[MOST_FILES:]), rest]
    return found[:MOST_FILES], "\n".join(filter(None, left_out))


def stamp(path: Path) -> str:
    """Another name, size or time counts as another content."""
    try:
        now = path.stat()
    except OSError:
        return str(path)
    return f"{path} {now.st_size} {now.st_mtime_ns} {now.st_ctime_ns}"
