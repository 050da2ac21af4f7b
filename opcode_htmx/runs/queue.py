"""The prompts of a session that Claude has not taken up: those that wait, and those left behind.

Knows what the runs of one session say about themselves; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .run import Run


@dataclass(frozen=True, slots=True)
class Queued:
    """A prompt that was sent and not taken up; `left`: its run has ended without it."""

    run_id: str
    prompt_id: str
    text: str
    left: bool


def queue(runs: Sequence[Run]) -> list[Queued]:
    """What is queued in the runs of a session, oldest first; the runs have caught up."""
    queued = []
    for number, run in enumerate(runs):
        later = runs[number + 1 :]
        for prompt_id, text in run.state.waiting.items():
            if not any(prompt_id in other.state.sent for other in later):
                queued.append(Queued(run.id, prompt_id, text, left=not run.live))
    return queued
