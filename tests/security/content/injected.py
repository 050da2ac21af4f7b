"""What is injected, and what a page must show of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TypeVar

from playwright.sync_api import Browser, Page

from tests.security.corpus.inspection import Expectation, Finding, inspect, unseen
from tests.security.corpus.pages import place
from tests.security.corpus.pages.channels import CHANNELS as PAGES
from tests.security.corpus.transcript.channels import CHANNELS
from tests.security.corpus.transcript.lines import Channel
from tests.security.corpus.vectors import Plant, rotation, vectors
from tests.security.corpus.watch import watched
from tests.support.pages.browser import log_in
from tests.support.server import Server

WHOLE = "ATTACK" in os.environ
ROUNDS = len(vectors()) if WHOLE else 5
"""The number of vectors for each channel."""
PAGE, MOST_IN_A_LIST = 1000, 50
"""Plants on one page of a session, and on any other one."""

T = TypeVar("T")

STEERS = frozenset("\r\b\x1b\x90\x9b")
HISTORY = [each for each in CHANNELS if each.where != "live"]
ONLY_LIVE = [each for each in CHANNELS if each.where == "live"]
AFTER_HISTORY = ROUNDS * len(HISTORY)
AFTER_RUNS = AFTER_HISTORY + ROUNDS * len(CHANNELS)
AROUND = AFTER_RUNS + ROUNDS * len(PAGES)
SCRIPTS = AROUND + ROUNDS * 6
"""The vectors of each test follow those of the previous one."""


def plants(
    channels: Sequence[T], first: int, size: int, rounds: int = ROUNDS
) -> Iterator[list[tuple[T, Plant]]]:
    """The texts to inject, `size` at a time: as many vectors for each channel, in turn.

    The numbers begin with `first`, which also chooses the vectors.
    """
    count = rounds * len(channels)
    planted = [
        (channels[number % len(channels)], Plant(number + first, vector))
        for number, vector in enumerate(rotation(first + count)[first:])
    ]
    for at in range(0, count, size):
        yield sorted(planted[at : at + size], key=lambda each: channels.index(each[0]))


def live_plants() -> Iterator[list[tuple[Channel, Plant]]]:
    """The same for runs: lines that end a turn come first, for they withdraw open requests."""
    others = [each for each in HISTORY if each.where == "both"]
    whole = [
        *plants(ONLY_LIVE, AFTER_HISTORY, PAGE),
        *plants(others, AFTER_HISTORY + ROUNDS * len(ONLY_LIVE), PAGE, ROUNDS if WHOLE else 3),
    ]
    for page in whole if WHOLE else [list(chain(*whole))]:
        yield sorted(page, key=lambda each: not each[0].ends_turn)


def expectations(planted: Sequence[tuple[Channel, Plant]]) -> list[Expectation]:
    """The texts of these that must be visible."""
    found = []
    for channel, plant in planted:
        marks = {
            "all": (plant.begin, plant.end),
            "start": (plant.begin,),
            "end": (plant.end,),
            "nothing": (),
        }[channel.shows]
        if channel.frame == "line" and len(plant.vector.text.splitlines()) > 1:
            marks = marks[:1]  # of a name, a card shows the first line
        # Terminal escapes are applied or removed
        whole = channel.words and len(marks) == 2 and not STEERS.intersection(plant.vector.text)
        spelt = channel.shown_as(plant.vector.text) if whole else None
        found.append(Expectation(plant, channel.name, marks, spelt))
    return found


def encoded(lines: Sequence[str]) -> bytes:
    """As a program writes them that minds no rules: half a surrogate pair included."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def complaints(finding: Finding, expected: Sequence[Expectation] = ()) -> list[str]:
    return [*finding.wrong, *unseen(finding, expected)]


@contextmanager
def tab(
    browser: Browser, server: Server, wrong: list[str], *, without_policy: bool
) -> Iterator[Page]:
    """A page of a logged-in browser; unexpected actions are added to `wrong`.

    Without the policy, what is injected would run.
    """
    context = browser.new_context(base_url=server.url, bypass_csp=without_policy)
    log_in(context, server)
    with context, watched(context, server.url) as (page, watch):
        yield page
        wrong += watch.heard


def of_session(
    page: Page, server: Server, address: str, expected: Sequence[Expectation]
) -> Iterator[str]:
    """Problems of the live page, and of the page without scripts."""
    if not page.url.startswith(f"{server.url}{address.partition('?')[0]}"):
        yield f"led away to {page.url}"
    yield from complaints(inspect(page), expected)
    yield from complaints(inspect(page, server.get(address).text), expected)


TEXTS = {"text/plain", "text/markdown", "application/x-ndjson", "application/octet-stream"}


def of_answer(page: Page, shown: place.Page) -> list[str]:
    """Problems of a response, as a page or for API clients."""
    answer, text = shown.answer, shown.answer.text
    wrong = []
    if answer.status_code >= 500:
        wrong.append("the server fails")
    headers = {each.lower(): value for each, value in answer.headers.items()}
    if "canary" in " ".join(headers) or "canary=1" in headers.get("set-cookie", ""):
        wrong.append(f"a header was planted: {headers}")
    if headers.get("x-content-type-options") != "nosniff":
        wrong.append("its type may be guessed")
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/html":
        found = inspect(page, text, export=shown.is_export)
        wrong += found.wrong
        text = found.all
    elif kind == "application/json":
        text = json.dumps(json.loads(text), ensure_ascii=False)
    elif kind not in TEXTS:
        wrong.append(f"it is {kind}")
    wrong += [f"{mark} is not shown" for mark in shown.marks if mark not in text]
    return [f"{shown.channel} ({answer.status_code} {answer.url[-60:]}): {each}" for each in wrong]


@contextmanager
def left_behind(server: Server, address: str, planted: list[Plant]) -> Iterator[None]:
    """A process of a run that has ended, with these in its command line."""
    session_id = address.rpartition("/")[2]
    records = (server.sandbox.state / "runs").glob("*/run.json")
    folder = next(path.parent for path in records if session_id in path.read_text())
    texts = [place.sendable(plant.line).replace("\0", "") for plant in planted]
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", *texts],
        env={"OPCODE_RUN_ID": folder.name, "OPCODE_RUN_FOLDER": str(folder)},
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()
