"""The counts of a run of the suite, as a table, and their place in the document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import document
from chaos.counts import Counts
from chaos.invariants import WHEN_LEFT, WHILE_OPEN

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"
INVARIANTS = len(WHILE_OPEN) + len(WHEN_LEFT)


def put(counts: Counts, peak_mb: float, how: str) -> None:
    """Write the table into the document."""
    text = f"{table(counts, peak_mb)}\n\n{how}, on {document.circumstances()}."
    document.put("chaos", text, DOCUMENT)


def table(counts: Counts, peak_mb: float) -> str:
    return "\n".join(("| what | how many |", "|---|--:|", *_rows(counts, peak_mb)))


def _rows(counts: Counts, peak_mb: float) -> Iterator[str]:
    for what, number in (
        ("rounds, each with a server of its own", counts.rounds),
        ("runs", counts.runs),
        ("… of the real CLI", counts.runs_real),
        ("lines written by Claude", counts.lines),
        ("lines heard, by two clients of each session", counts.lines_heard),
        ("messages taken by clients and pages", counts.messages),
        ("prompts", counts.prompts),
        ("prompts sent, the same one twice or thrice included", counts.prompts_sent),
        ("answers given, also to what was answered already", counts.answers),
        ("stops", counts.stops),
        (
            "sockets cut by clients: closed, vanished, reset, or left open and never read",
            counts.cuts,
        ),
        ("connections lost because the server went", counts.lost),
        ("viewers that froze and came back", counts.freezes),
        ("servers killed with SIGKILL and started again", counts.kills),
        ("workers killed with SIGKILL", counts.workers_killed),
        ("servers ended with SIGTERM and started again", counts.terminations),
        ("pages compared with a fresh load", counts.pages),
        ("… of them in Chromium", counts.browsers),
        ("invariants", INVARIANTS),
        ("checks of them", counts.checks),
        ("most memory of a server, in MB", round(peak_mb)),
        ("**faults found**", counts.faults),
    ):
        yield f"| {what} | {number:,} |"
