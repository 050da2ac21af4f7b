"""Command line: play rounds up to a number of runs, report faults, keep the counts."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from chaos import report
from chaos.counts import Counts
from chaos.plan import plan
from chaos.round import Result, play

RUNS, MINUTES = 300, 30
MOST_FAULTS = 5
"""The number of rounds with faults after which the command gives up."""


def main() -> int:
    """0 without faults, 1 with faults."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # clean up first
    print(f"SEED={options.seed}", flush=True)
    began = time.monotonic()
    counts, peak, bad = Counts(), 0.0, 0
    seed = options.seed
    while counts.runs < options.runs and bad < MOST_FAULTS:
        if time.monotonic() - began > 60 * options.minutes:
            print(f"Ended after {options.minutes:g} minutes.", flush=True)
            break
        result = _play(seed, options.workers)
        counts += result.counts
        peak = max(peak, result.peak_mb)
        bad += bool(result.faults)
        seed += 1
    minutes = (time.monotonic() - began) / 60
    print(report.table(counts, peak), flush=True)
    if options.keep:
        how = (
            f"`make chaos SEED={options.seed} RUNS={options.runs} MINUTES={options.minutes:g} "
            f"WORKERS={options.workers}`, which took {minutes:.0f} minutes"
        )
        report.put(counts, peak, how)
    return 1 if counts.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    drawn = random.SystemRandom().randrange(1_000_000)
    parser.add_argument("--seed", type=int, default=drawn, help="of the first round")
    parser.add_argument("--runs", type=int, default=RUNS, help="how many, at least")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no round begins later")
    parser.add_argument("--workers", type=int, default=1, help="of gunicorn")
    parser.add_argument("--keep", action="store_true", help="put the table into the document")
    return parser.parse_args()


def _play(seed: int, workers: int) -> Result:
    """Play one round; its folder is kept if it has faults."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    drawn = plan(seed)
    began = time.monotonic()
    try:
        result = play(drawn, folder, workers=workers)
    except BaseException:
        print(f"Seed {seed}; see {folder}\n{drawn}", flush=True)
        raise
    seconds = time.monotonic() - began
    name = "real CLI" if drawn.real else "stand-in"
    blows = ", ".join(blow.what for blow in drawn.blows) or "no blow"
    print(
        f"{seed}: {name}, {result.counts.runs} runs, {result.counts.lines:,} lines, {blows}, "
        f"{result.counts.checks} checks, {seconds:.0f} s, {len(result.faults)} faults",
        flush=True,
    )
    if result.faults:
        print(f"\n{drawn}\n", flush=True)
        for fault in result.faults:
            print(f"FAULT: {fault}\n", flush=True)
        print(f"See {folder}; again: make chaos SEED={seed} RUNS=1\n", flush=True)
    else:
        shutil.rmtree(folder)
    return result


if __name__ == "__main__":
    sys.exit(main())
