"""How long Claude lets a person wait for its first words after a prompt.

Only the worker that owns a run measures it, so that each prompt counts once. A prompt that waits
for an open turn, and what is read again after a restart, are not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from opcode_htmx.engines.messages import Assistant, BlockDelta, BlockStart, Message
from opcode_htmx.lib.metrics.families import Histogram
from opcode_htmx.runs.model.lifecycle import Phase

FIRST_TOKEN = Histogram(
    "opcode_first_token_seconds",
    "Time from a prompt that opens a turn to the first words of Claude",
    {"process": ("new", "running")},
    buckets=(0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 60.0),
)
"""`new`: the prompt has waited for the start of Claude, and perhaps in the queue."""

_NEW = frozenset({Phase.QUEUED, Phase.STARTING})

Measured = Callable[[float, str], None]
"""Called with the seconds, and `new` or `running`."""


def ignore(seconds: float, process: str) -> None:
    """Where nothing is measured."""


class FirstTokenTimer:
    """One for each run that is followed."""

    __slots__ = ("_process", "_since")

    def __init__(self) -> None:
        self._since: float | None = None
        self._process = ""

    def prompted(self, phase: Phase) -> None:
        """A prompt was sent; `phase` is that of the run before it."""
        if self._since is None and (phase in _NEW or phase is Phase.IDLE):
            self._since = monotonic()
            self._process = "new" if phase in _NEW else "running"

    def wrote(self, message: Message) -> tuple[float, str] | None:
        """The seconds and the kind of process, if these are the first words."""
        if self._since is None or not isinstance(message, Assistant | BlockStart | BlockDelta):
            return None
        if message.parent is not None:  # of a background agent
            return None
        seconds, self._since = monotonic() - self._since, None
        return seconds, self._process

    def turn_ended(self) -> None:
        """No words follow in this turn."""
        self._since = None
