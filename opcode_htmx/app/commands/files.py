"""Files that are named on the command line: new private ones, and those with keys."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from opcode_htmx.app.commands.options import BadUsage
from opcode_htmx.lib.backup.encryption import MAX_KEYS


class FileTaken(Exception):
    """There is a file of this name already; the text is a sentence."""


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file for this user only, which is on the disk at the end; none is left after an error.

    Raises FileTaken, OSError.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise FileTaken(
            f"{path} exists already, and is left as it is; name another file."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def keys_in(name: str) -> str:
    """The text of a file with keys. Raises BadUsage for one that is too large, and OSError."""
    with Path(name).open("rb") as file:
        content = file.read(MAX_KEYS + 1)
    if len(content) > MAX_KEYS:
        raise BadUsage(f"{name} is too large for a file with keys.")
    return content.decode("utf-8", "replace")
