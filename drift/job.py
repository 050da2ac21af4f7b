"""The job of a Claude CLI for the drift check, against the scripted model, and its output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from drift.names import (
    HISTORY,
    STDOUT,
    Name,
    names_in,
    names_in_answer,
    names_in_tools,
)
from opcode_htmx.engines.claude.protocol import argv, encoder, json_lines
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from tests.generated import plans
from tests.generated.captures import Capture
from tests.generated.driver import Driver
from tests.generated.sessions import play
from tests.support.environment import Sandbox

BEHAVIOUR = "behaviour"

JOB: plans.Plan = (
    plans.Prompt(),
    plans.Thoughts(),
    plans.Files(),
    plans.Question(),
    plans.PlanFirst(),
    plans.Interrupt(),
    plans.InterruptTool(),
    plans.Failure(),
    plans.Prompt(),
    plans.Rewind(to=8),
    plans.Prompt(),
    plans.Desk(),
    plans.Compact(),
    plans.Prompt(),
    plans.Tool(),
    plans.ParallelTools(),
    plans.Agent(),
    plans.Agent(background=True),
    plans.BackgroundBash(),
    plans.Restart(),
    plans.Prompt(),
    plans.Clear(follow=True),
    plans.Prompt(),
    plans.Fork(),
)

GOES_ON_FROM = (
    (
        *("DATE0", "PLUM10", "KIWI13", "PLUM13", "KIWI14", "PLUM14", "KIWI15", "PLUM15"),
        *("KIWI16", "PLUM16", "KIWI17", "PLUM17", "FIG0", "KIWI18", "PLUM18", "FIG1"),
        *("KIWI20", "PLUM20"),
    ),
    ("KIWI22", "PLUM22"),
    ("KIWI22", "PLUM22", "KIWI23", "PLUM23"),
)
"""The words from which a CLI resumes the sessions of the job, by the known rules of the CLI. See
tests/generated/script.py for the words."""


def names_of(binary: Path, folder: Path) -> set[Name]:
    """All names in the output of the CLI for the job, and its differences in behaviour.

    `folder` must be empty. Raises AssertionError if the CLI does not come to the end of the job."""
    return names_in_job(play(binary, JOB, folder / "job")) | names_offered(binary, folder)


def names_in_job(capture: Capture) -> set[Name]:
    """Those in the output for a job that was played."""
    found = {*_behaviour(capture), *names_in_tools({"tools": capture.tools})}
    for session in capture.sessions:
        for lines in (session.history, *_transcripts(capture)):
            found.update(_names(lines, HISTORY))
        for run in session.runs:
            found.update(_names(run.stdout, STDOUT))
    return found


def names_offered(binary: Path, folder: Path) -> set[Name]:
    """Those in what the CLI offers."""
    return set(names_in_answer(_offer(binary, folder / "inquiry")))


def _behaviour(capture: Capture) -> Iterator[Name]:
    for index in capture.refused:
        yield Name(BEHAVIOUR, f"refuses {type(JOB[index]).__name__}")
    places = [session.goes_on_from for session in capture.sessions]
    if tuple(places) != GOES_ON_FROM:
        yield Name(BEHAVIOUR, f"goes on from {json.dumps(places)}")


def _transcripts(capture: Capture) -> Iterator[bytes]:
    """The files of the agents."""
    for session in capture.sessions:
        yield from (text for name, text in session.agents.items() if name.endswith(".jsonl"))


def _names(lines: bytes, kind: str) -> Iterator[Name]:
    for line in lines.splitlines():
        if read := json_lines.read(line):
            yield from names_in(read.content, kind)


def _offer(binary: Path, folder: Path) -> dict[str, object]:
    """The answer to `initialize`."""
    arguments = argv.build_probe(binary, "00000000-0000-4000-8000-000000000000")
    driver = Driver("inquiry", arguments, Sandbox(folder).make(), "http://127.0.0.1:9")
    try:
        driver.send(encoder.initialize_line())
        return dict(driver.answer(INITIALIZE_ID).get("response") or {})
    finally:
        driver.kill()
