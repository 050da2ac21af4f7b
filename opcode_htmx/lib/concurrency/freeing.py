"""Free values of very many parts piece by piece: 700,000 at once hold the event loop for 25 ms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from opcode_htmx.lib.concurrency.cooperative import has_hub, yielding

PIECE = 1000
"""Parts of one container that are freed at once."""


class LargeObject(dict[str, Any]):
    """An object with few members and very many parts, such as one that was read from JSON.

    When nobody uses it any more, its parts are freed beside other work. Those that somebody still
    uses stay as they are.
    """

    def __del__(self) -> None:
        parts = list(self.values())
        self.clear()
        if has_hub():
            import gevent

            gevent.spawn(_free_beside, parts)
        else:  # in a thread, which takes turns with the hub
            for _ in freed(parts):
                pass


def _free_beside(parts: list[Any]) -> None:
    for _ in yielding(freed(parts)):
        pass


def freed(parts: list[Any]) -> Iterator[None]:
    """Empty a list, and each list and dict in it that nobody else refers to, step by step."""
    while parts:
        each = parts.pop()
        # two references: the variable, and the argument
        if isinstance(each, list | dict) and sys.getrefcount(each) <= 2:
            if len(each) > PIECE:
                parts.append(each)
            if isinstance(each, list):
                some = each[-PIECE:]
                del each[-PIECE:]
            else:
                some = [each.popitem()[1] for _ in range(min(PIECE, len(each)))]
            parts += [part for part in some if part and isinstance(part, list | dict)]
        yield
