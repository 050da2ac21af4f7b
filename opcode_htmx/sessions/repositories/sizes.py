"""How much space clones and worktrees take, counted in a thread and kept for a while."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field

from opcode_htmx.lib.concurrency.background import Background
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.repositories.places import Places
from opcode_htmx.sessions.storage.survey import Pace, changed, size_of


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by name. `at` is a Unix time; `complete`: there was time to count all."""

    repositories: Mapping[str, int] = field(default_factory=dict)
    worktrees: Mapping[str, int] = field(default_factory=dict)
    at: float = 0.0
    complete: bool = True

    @property
    def repository_bytes(self) -> int:
        return sum(self.repositories.values())

    @property
    def worktree_bytes(self) -> int:
        return sum(self.worktrees.values())


class FolderSizes:
    """Counts them, at most once at a time."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._sizes = Background(
            self._count, lambda: (changed(places.repos), changed(places.worktrees))
        )

    def get(self, patience: float) -> Sizes | None:
        """The sizes if they are there within `patience` seconds; else None, or older ones."""
        return self._sizes.get(patience)

    def expire(self) -> None:
        """Count again at the next request."""
        self._sizes.expire()

    def _count(self) -> Sizes:
        pace, places = Pace(), self._places
        return Sizes(
            repositories={name: size_of(places.repo(name), pace) for name in places.repo_names()},
            worktrees={
                str(name): size_of(places.worktree(name), pace) for name in places.worktree_names()
            },
            at=time.time(),
            complete=pace.step(),
        )
