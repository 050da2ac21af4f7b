"""The size of the terminals that show a session, for chats: a chat has no terminal of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.terminals.model import NoSuchTerminal, TerminalEnded, TerminalsOff
from opcode_htmx.sessions.terminals.services import TerminalServices

ResizeTerminals = Callable[[str, int, int, Identity], int]
"""Called with a session's id, columns, rows, and who asks: the number of terminals resized."""


def resizer(services: Callable[[], TerminalServices]) -> ResizeTerminals:
    """Resizes the live terminals of a session; none where there are none, or not for this user."""

    def resize(session_id: str, columns: int, rows: int, by: Identity) -> int:
        found = services()
        with contextlib.suppress(TerminalsOff):
            found.allow(by)
            return sum(
                _resized(found, each.id, columns, rows)
                for each in found.terminals.of_session(session_id)
            )
        return 0

    return resize


def _resized(services: TerminalServices, terminal_id: str, columns: int, rows: int) -> bool:
    try:
        services.terminals.resize(terminal_id, columns, rows)
    except (NoSuchTerminal, TerminalEnded, BlockingIOError):
        return False
    return True
