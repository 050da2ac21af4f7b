"""What some figures were in November 2026, before they were worked on: shown beside today's."""

from __future__ import annotations

from dataclasses import replace

from bench.figures import Figure

BEFORE = {
    "A line to a JSON message, one every 20 ms": "0.82 ms",
    "A line to a JSON message, one every 20 ms: p99": "p99 1.8 ms",
    "A burst of 5,000 lines, all arrived": "77,000 lines/s",
    "CPU of a line to a program, one every 20 ms": "1 ms",
    "CPU of 1,000 lines, 20/s, nobody looks": "1,075 ms",
    "CPU of 1,000 lines, 20/s, a program looks": "1,325 ms",
    "CPU of 1,000 lines, 20/s, a page looks": "2,925 ms",
    "40 runs, 20 lines/s of each: a line to a program": "p99 5.1 ms",
    "40 runs, 20 lines/s of each: CPU of 24,000 lines": "8.2 s",
    "CPU with 0 idle runs": "0.25 %",
    "CPU with 50 idle runs": "1.45 %",
    "CPU with 200 idle runs": "3.0 %",
    "A paragraph of 40 KB: sent to its page while it grows": "8,100 KB",
    "Code of 40 KB: sent to its page while it grows": "1,300 KB",
    "From the start to the first 200": "1,154 ms",
    "Memory (PSS) of all processes, idle since the start": "71 MB",
    "/runs with 200 runs": "53 ms",
    "Claude is running: the prompt is seen": "45 ms",
    "Claude is running: the first word": "127 ms",
    "Claude was started while it was written: the first word": "806 ms",
    "Home: first paint, CPU slowed 4×": "296 ms",
    "Home: first paint, 1.6 Mbit/s and 150 ms": "436 ms",
    "A session: first paint, CPU slowed 4×": "312 ms",
    "A session: first paint, 1.6 Mbit/s and 150 ms": "452 ms",
    "Everything transferred": "62 KB",
    "1,000 lines, cold: the page": "163 ms",
    "10,000 lines, cold: the page": "613 ms",
    "100,000 lines, cold: the page": "4,072 ms",
    "100,000 lines, cold: memory of the server": "145 MB",
    "50 MB: newest message visible, CPU slowed 4×": "2,364 ms",
    "50 MB: and when opened again, CPU slowed 4×": "752 ms",
    "A project of 50 sessions, again": "10.4 ms",
    "The API's list of all projects, again": "5.5 ms",
    "The list of projects, first": "1,426 ms",
}
"""By the words of the row."""


def with_before(figure: Figure) -> Figure:
    """The figure, with what it was before where that is known."""
    return replace(figure, before=BEFORE.get(figure.what, ""))
