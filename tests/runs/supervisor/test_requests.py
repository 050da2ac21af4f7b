"""Claude's requests under a supervisor: answered once."""

from __future__ import annotations

import json
from functools import partial

import gevent
import psutil
import pytest

from opcode_htmx.runs.control.run import AlreadyAnswered, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from tests.runs.supervisor.watching import asked, ended, pid_of
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    new_id,
    sent,
    steps,
    texts,
    until,
)
from tests.support.environment import PATIENCE


def test_a_request_that_is_allowed_lets_claude_go_on(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], ["text", "done"]))
    assert asked(run) == "r1"
    assert run.phase is Phase.WAITING
    run.allow("r1", {"command": "false"}, by=BY)
    idle(run)
    answer = sent(run)[-1]["response"]["response"]
    assert answer == {"behavior": "allow", "updatedInput": {"command": "false"}}


def test_a_request_that_is_denied_lets_claude_go_on(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"]))
    run.deny(asked(run), "Not here.", by=BY)
    idle(run)
    answer = sent(run)[-1]["response"]["response"]
    assert answer == {"behavior": "deny", "message": "Not here."}


def test_a_request_is_answered_once(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    run.allow(asked(run), by=BY)
    for answer in (partial(run.allow, "r1"), partial(run.deny, "r1", "no")):
        with pytest.raises(AlreadyAnswered, match=r"answered already at \d\d:\d\d: allowed"):
            answer(by=BY)
    assert len(sent(run)) == 2


def test_request_on_a_page_is_open_before_the_run_has_folded_it(
    supervision: Supervision,
) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    run.detach()  # no greenlet folds the lines
    until(lambda: b'"can_use_tool"' in run.folder.output.read_bytes(), "Claude asks")
    assert run.open_ask("r1").tool_name == "Bash"


def test_two_phones_that_answer_at_once_answer_once(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    asked(run)
    with run.folder.writing():  # both have looked before either can speak
        phones: list[gevent.Greenlet[..., None]] = [
            gevent.spawn(run.allow, "r1", by=BY),
            gevent.spawn(run.deny, "r1", "no", by=BY),
        ]
        gevent.sleep(0.05)
    for phone in phones:
        phone.join(timeout=PATIENCE)
    # either may be first
    assert {type(phone.exception) for phone in phones} == {type(None), AlreadyAnswered}
    assert len(sent(run)) == 2


def test_a_request_that_was_never_made_cannot_be_answered(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    with pytest.raises(AlreadyAnswered):
        run.allow("no-such-request", by=BY)


def test_a_request_of_an_unknown_kind_is_answered_with_an_error(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["request", "x1", "of_a_later_release"])))
    response = json.loads(texts(run)[0])["response"]
    assert (response["subtype"], response["request_id"]) == ("error", "x1")
    assert not run.state.unsupported


def test_an_ended_run_takes_no_answer_and_no_stop(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"]))
    asked(run)
    psutil.Process(pid_of(run)).kill()
    ended(run)
    with pytest.raises(RunNotLive, match="has ended"):
        run.allow("r1", by=BY)
    with pytest.raises(RunNotLive, match="has ended"):
        run.prompt(new_id(), "Hello", by=BY)
    with pytest.raises(RunNotLive, match="ended already"):
        run.stop(by=BY)
