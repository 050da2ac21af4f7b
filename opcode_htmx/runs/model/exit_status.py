"""The outcome of a run by the exit status of its process. Pure; knows no process and no file."""

from __future__ import annotations

import signal

from opcode_htmx.runs.model.record import Outcome

FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL})


def how_it_ended(status: int | None, *, open_turn: bool, watched: bool) -> tuple[Outcome, str]:
    """The outcome of a run that ended without a stop request, and a sentence about it.

    `status` is negative for a signal, and None when the process was not our child; `watched` says
    whether a server was running when it ended.
    """
    if status:
        return _how_it_failed(status)
    when = "" if watched else " while no server was watching"
    if open_turn:
        return Outcome.INTERRUPTED, f"Claude ended before its answer was complete{when}."
    return Outcome.COMPLETED, f"Claude ended{when}."


def _how_it_failed(status: int) -> tuple[Outcome, str]:
    # Claude catches the signals that can be caught, and exits with 128 plus their number
    number = -status if status < 0 else status - 128
    killer = signal.Signals(number) if number in set(signal.Signals) else None
    if killer in FROM_OUTSIDE:
        return Outcome.INTERRUPTED, f"Claude was ended from outside by {killer.name}."
    if status < 0:
        return (
            Outcome.FAILED,
            f"Claude crashed with {killer.name if killer else f'signal {number}'}.",
        )
    return Outcome.FAILED, f"Claude ended with exit status {status}."
