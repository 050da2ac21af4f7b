"""Command line: measure all parts or the given ones, print the tables, write the document."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from bench import document
from bench.figures import Figure, table
from bench.november import with_before
from bench.parts.archive import api, index, lists, search, usage
from bench.parts.pages import changes, lighthouse, long_page, page
from bench.parts.servers import endurance, hostile, load, metrics, stalls, start
from bench.parts.streams import costs, growth, json_lines, latency, send, smooth

PARTS: dict[str, Callable[[], Sequence[Figure]]] = {
    "latency": latency.measure,
    "send": send.measure,
    "json": json_lines.measure,
    "costs": costs.measure,
    "api": api.measure,
    "page": page.measure,
    "long": long_page.measure,
    "growth": growth.measure,
    "smooth": smooth.measure,
    "load": load.measure,
    "lives": endurance.measure,
    "stalls": stalls.measure,
    "start": start.measure,
    "lists": lists.measure,
    "index": index.measure,
    "search": search.measure,
    "usage": usage.measure,
    "changes": changes.measure,
    "metrics": metrics.measure,
    "hostile": hostile.measure,
    "lighthouse": lighthouse.measure,
}


def main() -> int:
    """0 when all targets are met, 1 when one is missed."""
    parser = argparse.ArgumentParser(
        prog="bench", description="Measure the figures that the design promises."
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, help="duration of each run of `load`")
    given = parser.parse_args()
    names = given.parts or list(PARTS)
    parts = dict(PARTS)
    if given.seconds:
        parts["load"] = partial(load.measure, given.seconds)
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    missed = 0
    for name in names:
        began = time.monotonic()
        figures = [with_before(figure) for figure in parts[name]()]
        seconds = time.monotonic() - began
        text = f"{table(figures)}\n\nMeasured on {document.circumstances()}, in {seconds:.0f} s."
        document.put(name, text)
        print(f"{name}\n\n{text}\n", flush=True)
        missed += sum(not figure.met for figure in figures)
    if missed:
        print(f"Targets missed: {missed}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
