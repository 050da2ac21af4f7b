"""How often this process looks for garbage: not while it starts, and seldom afterwards."""

from __future__ import annotations

import gc


def hardly() -> None:
    """While modules are imported, which stay: collections would take time for nothing."""
    gc.set_threshold(1_000_000)


def seldom() -> None:
    """Once it has started.

    A full collection takes up to 90 ms, so it runs after a million new objects, not after seventy
    thousand.
    """
    gc.set_threshold(2000, 10, 50)


def freeze_for_a_fork() -> None:
    """Collections write to every object, and so would copy the memory that both have in common.

    The garbage of a start, a megabyte, stays for good. Before later forks, such as those of a
    reload, garbage is collected: it would grow each time.
    """
    if gc.get_freeze_count():
        gc.collect()
    gc.freeze()
