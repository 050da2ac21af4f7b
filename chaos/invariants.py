"""The invariants at the end of a round, whatever happened in it.

Each check yields a sentence for each violation, with the ids and places to look at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import requests

from chaos.differences import first_difference, page_differences, surplus_of
from chaos.server.environment import Holdings, ServerUnderTest
from chaos.server.folders import RunOnDisk
from chaos.users.pages import Page, load, shown
from chaos.users.person import Person
from chaos.users.received import Line, ReceivedLines
from chaos.users.waiting import comes_true, comes_true_or_stalls
from tests.support.environment import PASSWORD, USER, processes_of

OUTCOMES = {"completed", "cancelled", "failed", "timed out", "interrupted"}
REST_SECONDS = 15
"""Silence after which a client counts as complete, and the time a server may take to release its
resources."""
MOST_MB = 250
"""Memory limit of each worker of a server, in MB."""
MARK = re.compile(r"([0-9a-f]{32})/([0-9a-f-]{36})/(\d+);")
REAL_MARK = re.compile(r'"session_id"\s*:\s*"([0-9a-f-]{36})"')
CLOCKS = 0.05
"""Tolerance: the end of one run and the begin of the next are recorded by different processes."""


@dataclass(slots=True)
class Scene:
    """A round in which everything has ended, with its server still running."""

    server: ServerUnderTest
    persons: Sequence[Person]
    runs: Sequence[RunOnDisk]
    before: Holdings
    """The server's resources before the round."""
    real: bool
    checks: int = 0


def every_line_was_heard_once_and_in_order(scene: Scene) -> Iterator[str]:
    for person in scene.persons:
        expected = {
            stream: [Line(run.id, stream, line) for run in person.runs for line in lines(run)]
            for stream, lines in (("stdout", RunOnDisk.output), ("stderr", RunOnDisk.errors))
        }
        for name, heard in (("listener", person.heard), ("poller", person.polled)):
            for stream, lines in expected.items():
                scene.checks += 1

                def got(heard: ReceivedLines = heard, stream: str = stream) -> list[Line]:
                    return [line for line in heard.lines if line.stream == stream]

                def progress(heard: ReceivedLines = heard) -> int:
                    return heard.count

                def complete(lines: list[Line] = lines) -> bool:
                    return got() == lines

                if not comes_true_or_stalls(complete, progress, REST_SECONDS):
                    difference = first_difference(lines, got())
                    yield f"{name} of session {person.id}, {stream}: {difference}"


def every_written_line_is_in_the_file(scene: Scene) -> Iterator[str]:
    """Compares the stand-in's own count with the files: all other checks trust the files."""
    for run in scene.runs:
        journal = run.journal()
        if journal is None:
            continue
        for stream, lines, noted in (
            ("stdout", run.output(), journal.lines),
            ("stderr", run.errors(), journal.errors),
        ):
            scene.checks += 1
            numbers = [int(found[3]) for line in lines if (found := MARK.search(line))]
            if numbers not in (list(range(noted)), list(range(noted + 1))):
                yield (
                    f"run {run.id}, {stream}: Claude says that it wrote {noted} lines; "
                    f"the file has {first_difference(list(range(noted)), numbers)}"
                )


def no_session_heard_of_another(scene: Scene) -> Iterator[str]:
    runs = {run.id: run.record["session_id"] for run in scene.runs}
    for person in scene.persons:
        for name, heard in (("listener", person.heard), ("poller", person.polled)):
            scene.checks += 1
            for line in heard.lines:
                named = (
                    {found[1] for found in REAL_MARK.finditer(line.content)}
                    if scene.real
                    else set()
                )
                named |= {found[2] for found in MARK.finditer(line.content)}
                strangers = named - {person.id}
                if strangers or runs.get(line.run_id) != person.id:
                    yield f"{name} of session {person.id} heard of {strangers}: {line}"
                    break


def every_end_is_recorded_once_and_reported(scene: Scene) -> Iterator[str]:
    for run in scene.runs:
        scene.checks += 1
        end = run.end
        if end is None or end["outcome"] not in OUTCOMES or not end["cause"].strip():
            yield f"run {run.id} has no proper end: {end}"
    for person in scene.persons:
        wanted = {run.id: {run.end["outcome"]} for run in person.runs if run.end}
        scene.checks += 1
        if not comes_true(lambda p=person, w=wanted: p.heard.ends == w, REST_SECONDS):  # type: ignore[misc]
            yield f"session {person.id}: recorded {wanted}, received {person.heard.ends}"


def nothing_that_carries_a_mark_is_alive(scene: Scene) -> Iterator[str]:
    scene.checks += 1
    for process in processes_of(scene.server.sandbox.state):
        yield f"process {process} of run {process.environ().get('OPCODE_RUN_ID')} is alive"


def a_session_has_one_claude_at_a_time(scene: Scene) -> Iterator[str]:
    for person in scene.persons:
        for earlier, later in pairwise(person.runs):
            scene.checks += 1
            end, begin = (earlier.end or {}).get("at", 0.0), later.record["created_at"]
            if end > begin + CLOCKS:
                yield (
                    f"session {person.id}: run {later.id} began at {begin:.3f}, before run "
                    f"{earlier.id} had ended at {end:.3f}"
                )


def every_prompt_arrived_once(scene: Scene) -> Iterator[str]:
    """Claude has read each accepted prompt once, unless its run ended before."""
    for person in scene.persons:
        for prompt_id in dict.fromkeys(person.accepted):
            scene.checks += 1
            holders = [run for run in person.runs if run.was_sent(prompt_id)]
            times = sum(run.times_taken(prompt_id) for run in holders)
            if not holders:
                yield f"session {person.id}: the accepted prompt {prompt_id} is in no run"
            elif times > 1:
                yield f"session {person.id}: prompt {prompt_id} was taken up {times} times"


def every_question_got_one_answer(scene: Scene) -> Iterator[str]:
    for run in scene.runs:
        for request_id, times in Counter((run.journal() or _NOTHING).answers).items():
            scene.checks += 1
            if times != 1:
                yield f"run {run.id}: request {request_id} was answered {times} times"


class _Nothing:
    answers: tuple[str, ...] = ()


_NOTHING = _Nothing()


def every_page_is_as_if_loaded_now(scene: Scene) -> Iterator[str]:
    with requests.Session() as browser:
        browser.auth = (USER, PASSWORD)
        browser.headers["Connection"] = "close"  # the server may close a kept one
        for person in scene.persons:
            if person.page is None:
                continue
            scene.checks += 1
            page = person.page

            def differences(page: Page = page, person: Person = person) -> list[str]:
                fresh = shown(load(browser, scene.server, person.path))
                return page_differences(fresh, page.shown())

            def current(differences: Callable[[], list[str]] = differences) -> bool:
                return not differences()

            def messages(page: Page = page) -> int:
                return page.counts.messages

            # Compared once: loading a page changes what other sessions list as needing attention
            if not comes_true_or_stalls(current, messages, REST_SECONDS):
                for found in differences()[:3]:
                    yield f"page of session {person.id}: {found}"


def every_browser_shows_what_a_fresh_one_does(scene: Scene) -> Iterator[str]:
    for person in scene.persons:
        if person.browser:
            scene.checks += 1
            person.browser.judge()
            yield from person.browser.faults


def no_page_shows_another_session(scene: Scene) -> Iterator[str]:
    ids = {person.id for person in scene.persons}
    for person in scene.persons:
        scene.checks += 1
        text = "".join(person.page.shown().values()) if person.page else ""
        strangers = {each for each in ids - {person.id} if each in text}
        if strangers:
            yield f"page of session {person.id} shows {strangers}"


def every_folder_is_a_run_that_was_asked_for(scene: Scene) -> Iterator[str]:
    ids = {person.id for person in scene.persons}
    root = scene.server.sandbox.state / "runs"
    known = {run.id for run in scene.runs}
    for path in root.iterdir():
        scene.checks += 1
        if path.name not in known:
            yield f"{path} is no run"
        for left in path.glob("*.new"):
            yield f"{left} was left behind"
    for run in scene.runs:
        if run.record["session_id"] not in ids:
            yield f"run {run.id} is of session {run.record['session_id']}, which nobody began"
    for path in scene.server.journal.iterdir():
        if path.name not in known:
            yield f"Claude ran as {path.name}, of which there is no folder"


def the_server_has_let_go_of_everything(scene: Scene) -> Iterator[str]:
    """Files, sockets, greenlets and threads: at rest, no more than before the round."""
    surplus: list[str] = []

    def at_rest() -> bool:
        surplus[:] = surplus_of(scene.before, scene.server.holdings())
        return not surplus

    scene.checks += 3
    if not comes_true(at_rest, REST_SECONDS):
        yield f"the server still holds {', '.join(surplus)}"


def the_servers_memory_is_bounded(scene: Scene) -> Iterator[str]:
    scene.checks += 1
    if scene.server.peak_mb > MOST_MB * scene.server.workers:
        yield f"the server had {scene.server.peak_mb:.0f} MB"


def the_log_has_no_traceback(scene: Scene) -> Iterator[str]:
    scene.checks += 1
    text = scene.server.log.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"(.*\n){0,3}Traceback(.*\n){0,30}|.*\bError [0-9a-f]{8} at.*", text)
    if found:
        yield f"{scene.server.log} has:\n{found[0]}"


def no_client_met_what_it_should_not(scene: Scene) -> Iterator[str]:
    for person in scene.persons:
        scene.checks += 1
        yield from person.complaints


WHILE_OPEN: tuple[Callable[[Scene], Iterator[str]], ...] = (
    every_line_was_heard_once_and_in_order,
    every_written_line_is_in_the_file,
    no_session_heard_of_another,
    every_end_is_recorded_once_and_reported,
    nothing_that_carries_a_mark_is_alive,
    a_session_has_one_claude_at_a_time,
    every_prompt_arrived_once,
    every_question_got_one_answer,
    every_page_is_as_if_loaded_now,
    every_browser_shows_what_a_fresh_one_does,
    no_page_shows_another_session,
    every_folder_is_a_run_that_was_asked_for,
)
"""Checks while the clients still listen."""

WHEN_LEFT: tuple[Callable[[Scene], Iterator[str]], ...] = (
    no_client_met_what_it_should_not,
    the_server_has_let_go_of_everything,
    the_servers_memory_is_bounded,
    the_log_has_no_traceback,
)
"""Checks once all clients have disconnected."""
