"""Find the sessions into which a process of the CLI has come by `/clear`.

The lines of such a session's file name, beside it, the session in which the process began.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from opcode_htmx.engines.claude.files import folder_names, history, links
from opcode_htmx.lib.files import confined

HEAD_BYTES = 256 * 1024
"""How much of a file is looked at: what names the first session comes with the first prompt."""
MOST_FILES = 100
"""The newest files of a project that are looked at."""
_CLEAR = b"<command-name>/clear</command-name>"


def begun_by_clear(
    config_dir: Path, folder: Path, before: Collection[str], since: float
) -> list[str]:
    """The sessions in a folder, written since a Unix time, of processes that were in `before`.

    Not those of `before` themselves; the last written first. Raises nothing.
    """
    place = history.root(config_dir) / folder_names.claude_folder(os.path.realpath(folder))
    names = [f'"session_id":"{each}"'.encode() for each in before]
    files = []
    try:
        with os.scandir(place) as entries:
            for each in entries:
                session_id = each.name.removesuffix(links.ENDING)
                is_other = history.SESSION_ID.fullmatch(session_id) and session_id not in before
                if is_other and each.is_file() and each.stat().st_mtime >= since:
                    files.append((each.stat().st_mtime, session_id, each.path))
    except OSError:
        return []
    files.sort(reverse=True)
    heads = ((session_id, _head(path)) for _, session_id, path in files[:MOST_FILES])
    return [
        session_id
        for session_id, head in heads
        if _CLEAR in head and any(name in head for name in names)
    ]


def _head(path: str) -> bytes:
    try:
        with os.fdopen(os.open(path, confined.READ), "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
