"""The mark of a run that came into other sessions by `/clear`: their ids, noted at its end.

The lines of a run that has ended are not read again for it: a prompt that was sent in one of those
sessions would count as not sent, and be sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.files import atomic_files

log = logging.getLogger(__name__)


class ClearedMark:
    """The mark in one folder."""

    __slots__ = ("_path",)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sessions"

    def set(self, session_ids: Iterable[str]) -> None:
        """Note sessions, if there are any. Raises OSError."""
        if found := [each for each in session_ids if SESSION_ID.fullmatch(each)]:
            text = "".join(f"{each}\n" for each in found)
            atomic_files.write(self._path, text.encode("ascii"), durable=False)

    def session_ids(self) -> tuple[str, ...]:
        """The sessions; none where it came into none, or where that is not known."""
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            log.warning("cannot read %s: %s", self._path, error)
            return ()
        return tuple(filter(SESSION_ID.fullmatch, lines))
