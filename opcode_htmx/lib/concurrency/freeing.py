"""Free values of very many parts piece by piece: 700,000 at once hold the event loop for 25 ms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from opcode_htmx.lib.concurrency.cooperative import has_hub, yielding

PIECE = 1000
"""Parts of one container that are freed at once."""

LIGHT = 5 * PIECE
"""Parts at any depth that are freed at once: to take apart each small container as well costs
480 ms for 700,000 of them, rather than 100 ms."""

_CONTAINERS = frozenset({list, dict})
"""Not their subclasses: weak references lead to those, which no count shows."""


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
    parts[:] = [part for part in parts if type(part) in _CONTAINERS]
    together = PIECE
    while parts:
        if _are_light(parts[-together:]):
            del parts[-together:]
            together = min(2 * together, PIECE)
        elif together > 1 and len(parts) > 1:
            together = min(together, len(parts)) // 2
        else:
            _take_apart_piece(parts)
        yield


def _are_light(containers: list[Any]) -> bool:
    """Whether they have few parts, with those of their parts and so on."""
    weight = 0
    while containers:
        weight += sum(map(len, containers))
        if weight > LIGHT:
            return False
        containers = [
            part
            for each in containers
            # a copy: a thread may change one that is in use
            for part in (tuple(each.values()) if type(each) is dict else each)
            if type(part) in _CONTAINERS
        ]
    return True


def _take_apart_piece(parts: list[Any]) -> None:
    """Take the last containers apart, in which very much is, until a piece of it is done.

    To look after each small one again how much is left would take 11 s for 10,000 nested ones.
    """
    left = PIECE
    while parts and left > 0:
        left -= max(1, len(parts[-1]))
        _take_apart_last(parts)


def _take_apart_last(parts: list[Any]) -> None:
    """Replace a piece of the last container by the containers in it; leave it if it is in use."""
    # what a sole owner counts is another number in another version of Python
    is_in_use = _references_to_last(parts) > _references_to_last([[]])
    last = parts.pop()
    if is_in_use:
        return
    if len(last) > PIECE:
        parts.append(last)
    if type(last) is list:
        some = last[-PIECE:]
        del last[-PIECE:]
    else:
        some = [last.popitem()[1] for _ in range(min(PIECE, len(last)))]
    parts += [part for part in some if type(part) in _CONTAINERS]


def _references_to_last(parts: list[Any]) -> int:
    return sys.getrefcount(parts[-1])
