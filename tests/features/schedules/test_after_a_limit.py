"""Going on once a limit has been reset: offered where it is reached, cancellable, and once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.sessions.schedules.model import State, limit_schedule_id, prompt_id_of
from opcode_htmx.sessions.schedules.store import FOLDER, PROGRESS, ScheduleStore
from opcode_htmx.sessions.schedules.timing import once_at
from opcode_htmx.transcript.blocks import Block, ErrorBlock, NoticeBlock, PromptBlock, TextBlock
from opcode_htmx.transcript.parts.limits import reached_limit
from tests.features.schedules.limits import reach_limit, until_reset
from tests.support.environment import Sandbox, runs_of, until
from tests.support.server import Server

Start = Callable[..., Server]


def store_of(server: Server) -> ScheduleStore:
    state = server.sandbox.state
    return ScheduleStore(state / FOLDER.name, state / PROGRESS.name)


def offer_of(server: Server, page: str) -> str:
    """The address of the offer on a session's page; empty without one."""
    found = re.search(r'formaction="(/schedules/after-limit/[^"]+)"', server.get(page).text)
    return found[1] if found else ""


def offered(server: Server, page: str) -> str:
    """The same once there is one: by whichever worker, which may not have read the limit yet."""
    return until(lambda: offer_of(server, page), "it is offered to go on")


def test_the_offer_is_accepted_once_and_taken_back(shared_server: Server) -> None:
    server, resets_at = shared_server, until_reset()
    page = reach_limit(server, resets_at)
    session_id = page.rpartition("/")[2]
    offer = offered(server, page)
    assert offer == f"/schedules/after-limit/{session_id}/{resets_at}"
    with ThreadPoolExecutor(4) as pool:  # several phones, and two workers
        answers = list(pool.map(lambda _: server.post(offer, {}).status_code, range(8)))
    assert set(answers) == {303}
    (schedule,) = store_of(server).of_session(session_id)
    (due,) = schedule.timing.next(time.time())
    assert 60 <= due - resets_at < 120
    until(lambda: "Goes on " in server.get(page).text, "it is stated")
    assert not offer_of(server, page)
    assert server.post(f"/schedules/{schedule.id}/cancel", {}).status_code == 303
    assert store_of(server).of_session(session_id) == []
    assert offered(server, page) == offer


def test_a_limit_that_was_reset_is_offered_no_longer(shared_server: Server) -> None:
    page = reach_limit(shared_server, int(time.time()) - 5)
    session_id = page.rpartition("/")[2]
    assert not offer_of(shared_server, page)
    for until_ in ("0", str(int(time.time()) - 5), "99999999999", "x"):
        answer = shared_server.post(f"/schedules/after-limit/{session_id}/{until_}", {})
        assert answer.status_code in (404, 422), until_


def test_it_goes_on_once_with_two_workers_and_killed_servers(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server, resets_at = start_server(sandbox, stand_in, OPCODE_WORKERS="2"), until_reset()
    page = reach_limit(server, resets_at)
    session_id = page.rpartition("/")[2]
    server.post(offered(server, page), {})
    store, schedule_id = store_of(server), limit_schedule_id(session_id, resets_at)
    due = time.time() // 60 * 60
    store.change(
        schedule_id, lambda each: replace(each, timing=once_at(due, "UTC")), handled=due - 1
    )
    for moment in (
        lambda: store.progress(schedule_id).occurrences,
        lambda: store.progress(schedule_id).occurrences[-1].run_id,
    ):
        until(moment, "that far", shortest=0.001)
        server.kill()
        server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    until(lambda: store.progress(schedule_id).occurrences[-1].state is State.DONE, "it went on")
    prompts = []
    for run in runs_of(sandbox.state, session_id):
        lines = map(json.loads, (run / "in.ndjson").read_text().splitlines())
        prompts += [each["uuid"] for each in lines if each["type"] == "user"]
    assert prompts[1:] == [prompt_id_of(schedule_id, due)]
    until(lambda: "Go on where you left off." in server.get(page).text, "the page has it")


def test_a_prompt_is_sent_later_and_its_words_come_back(shared_server: Server) -> None:
    server = shared_server
    page = reach_limit(server, until_reset())
    session_id = page.rpartition("/")[2]
    whole = {"prompt": "Run the tests", "session_id": session_id, "seen": ""}
    answer = server.post(f"{page}/later", whole)  # as without a script
    assert answer.headers["Location"] == f"{page}/later"
    later = f"{page}/later"
    until(lambda: "When the limit resets" in server.get(later).text, "it offers the reset")
    until(lambda: "Run the tests</textarea>" in server.get(later).text, "it has the words")
    past = {"prompt": "Run the tests", "when": "at", "at": "2026-01-01T07:00", "zone": "UTC"}
    refused = server.post(f"{page}/later/send", past)
    assert (refused.status_code, "That time has passed" in refused.text) == (422, True)
    assert "Run the tests</textarea>" in refused.text
    for when in ({**past, "at": "2090-01-01T07:00"}, {**past, "when": "limit"}):
        assert server.post(f"{page}/later/send", when).status_code == 303
        until(lambda: "Sends " in server.get(page).text, "it is stated")
        assert 'id="draft" autocomplete="off" value=""' in server.get(page).text
        (schedule,) = store_of(server).of_session(session_id)
        assert server.post(f"/schedules/{schedule.id}/cancel", {}).status_code == 303
        assert 'autocomplete="off" value="Run the tests"' in server.get(page).text


def test_a_prompt_that_was_missed_is_stated_and_sent_by_a_tap(shared_server: Server) -> None:
    server = shared_server
    page = reach_limit(server, int(time.time()) - 5)
    session_id = page.rpartition("/")[2]
    form = {"prompt": "Run the tests", "when": "at", "at": "2090-01-01T07:00", "zone": "UTC"}
    assert server.post(f"{page}/later/send", form).status_code == 303
    store = store_of(server)
    (schedule,) = store.of_session(session_id)
    past = time.time() - 7200
    store.change(
        schedule.id, lambda each: replace(each, timing=once_at(past, "UTC")), handled=past - 1
    )
    until(lambda: "Not sent " in server.get(page).text, "it is stated")
    until(lambda: "Due once while no server ran." in server.get(page).text, "with the reason")
    assert server.post(f"/schedules/{schedule.id}/send", {}).status_code == 303
    until(lambda: "Not sent " not in server.get(page).text, "it is sent")
    until(lambda: server.get(page).text.count("Run the tests") >= 2, "and answered")


# What counts as a limit ----------------------------------------------------------------------

NOW = 1_800_000_000.0


def blocks(*found: Block) -> Iterator[Block]:
    return reversed(found)


BLOCK: dict[str, Any] = {"order": "1", "created": 1, "revision": 1}


def notice(status: str = "rejected", until_: float = NOW + 60, text: str = "Reached.") -> Block:
    return NoticeBlock(id=f"limit-five_hour-{status}-1", text=text, until=until_, **BLOCK)


def error(until_: float | None = NOW + 60) -> Block:
    return ErrorBlock(id="e", text="Limit.", until=until_, **BLOCK)


def prompt() -> Block:
    return PromptBlock(id="p", text="again", **BLOCK)


def answer() -> Block:
    return TextBlock(id="t", **BLOCK)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((notice(),), True),
        ((notice(), prompt()), True),
        ((notice(), prompt(), answer()), False),
        ((error(),), True),
        ((notice("allowed_warning"),), False),
        ((notice(until_=NOW - 1),), False),
        ((notice(text="Reached; Claude goes on with extra usage."),), False),
        ((error(None),), False),
        ((), False),
    ],
)
def test_a_limit_is_the_last_one_that_is_not_reset(
    found: tuple[Block, ...], expected: bool
) -> None:
    assert (reached_limit(blocks(*found), NOW) is not None) is expected
