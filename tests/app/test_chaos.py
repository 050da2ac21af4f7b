"""The chaos suite in short, and its checks themselves: each must see what it is there to see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos import invariants
from chaos.invariants import Scene
from chaos.plan import (
    Blow,
    Plan,
    draw,
    plan,
)
from chaos.round import play
from chaos.server.environment import Holdings, ServerUnderTest
from chaos.server.folders import RunOnDisk, Runs
from chaos.users.person import Person
from chaos.users.received import Line, ReceivedLines

SLOW = pytest.mark.timeout(400)  # a machine that does much else at the same time takes its time
OUTPUT, ERRORS = "stdout", "stderr"


def _played(drawn: Plan, folder: Path) -> None:
    result = play(drawn, folder)
    faults = "\n".join(result.faults)
    assert not result.faults, f"{faults}\n{drawn}\nmake chaos SEED={drawn.seed} RUNS=1"
    assert result.counts.checks > 30
    assert result.counts.cuts + result.counts.freezes > 0


@SLOW
@pytest.mark.usefixtures("integration")
def test_nothing_is_lost_and_nothing_left_when_the_server_is_killed(tmp_path: Path) -> None:
    drawn = draw(691, real=False, sessions=3, blows=0)  # nearly every kind of step, cut and way
    blows = (Blow(100, "kill"), Blow(400, "worker"))
    _played(replace(drawn, blows=blows), tmp_path)


@SLOW
def test_the_same_holds_for_the_real_cli(tmp_path: Path, claude: Path) -> None:
    drawn = draw(4072, real=True, sessions=2, blows=0)
    _played(replace(drawn, blows=(Blow(20, "kill"),)), tmp_path)


def test_a_seed_stands_for_a_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
    assert str(plan(7)) == str(plan(7))
    plans = [plan(seed) for seed in range(100)]
    assert {each.real for each in plans} == {True, False}
    assert {blow.what for each in plans for blow in each.blows} == {"kill", "worker", "terminate"}


def test_plan_description_is_complete() -> None:
    printed = str(plan(7))
    for session in plan(7).sessions:
        for turn in session.turns:
            assert turn.prompt_id in printed


# --- the checks see what they are there to see --------------------------------------------------

EMPTY = Holdings(Counter(), Counter(), 0, 0.0)


class Made:
    """A scene without a server, in which everything is as it should be until a test spoils it."""

    def __init__(self, folder: Path) -> None:
        self.stage = ServerUnderTest(folder, folder / "claude", "http://127.0.0.1:9", 1)
        self.stage.log.write_text("", encoding="utf-8")
        self.runs = Runs(self.stage.sandbox.state, self.stage.journal)
        total = ReceivedLines()
        sessions = draw(1, real=False, sessions=2, blows=0).sessions
        self.persons = [
            Person(self.stage, each, number, total, self.runs)
            for number, each in enumerate(sessions)
        ]
        self.run = self.add_run(self.persons[0], 10.0, 20.0)
        self.other = self.add_run(self.persons[1], 10.0, 20.0)

    def add_run(self, person: Person, begin: float, end: float) -> RunOnDisk:
        """A run of three lines and a complaint, heard by all."""
        run = self.runs.get(f"{int(begin):016x}{person.session.number:016x}")
        run.path.mkdir(parents=True)
        record = {
            "session_id": person.id,
            "created_at": begin,
            "end": {"outcome": "completed", "cause": "Claude ended.", "at": end},
        }
        self.write(run, record)
        output = [json.dumps({"chaos": f"{run.id}/{person.id}/{n};"}) for n in range(3)]
        complaint = f"complaint {run.id}/{person.id}/0;"
        (run.path / "out.ndjson").write_text("\n".join([*output, ""]), encoding="utf-8")
        (run.path / "err.log").write_text(f"{complaint}\n", encoding="utf-8")
        (run.path / "in.ndjson").write_text("prompt-1 prompt-2\n", encoding="utf-8")
        journal = "prompt prompt-1\nline 0\nline 1\nline 2\nerror 0\nanswer ask-1\n"
        run.journal_path.write_text(journal, encoding="utf-8")
        for heard in (person.heard, person.polled):
            heard.lines += [Line(run.id, OUTPUT, line) for line in output]
            heard.lines.append(Line(run.id, ERRORS, complaint))
        person.heard.ends[run.id] = {"completed"}
        person.accepted.append("prompt-1")
        return run

    def write(self, run: RunOnDisk, record: dict[str, Any]) -> None:
        (run.path / "run.json").write_text(json.dumps(record), encoding="utf-8")

    def found(self) -> dict[str, list[str]]:
        """What each check finds that needs no server."""
        scene = Scene(self.stage, self.persons, self.runs.all(), EMPTY, real=False)
        needs_server = {
            invariants.every_page_is_as_if_loaded_now,
            invariants.the_server_has_let_go_of_everything,
        }
        checks = {*invariants.WHILE_OPEN, *invariants.WHEN_LEFT} - needs_server
        results = {check.__name__: list(check(scene)) for check in checks}
        return {name: found for name, found in results.items() if found}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(invariants, "REST_SECONDS", 0.0)
    return Made(tmp_path)


def lose(made: Made) -> None:
    del made.persons[0].heard.lines[1]


def double(made: Made) -> None:
    lines = made.persons[0].polled.lines
    lines.insert(2, lines[1])


def swap(made: Made) -> None:
    lines = made.persons[0].heard.lines
    lines[0], lines[1] = lines[1], lines[0]


def mix(made: Made) -> None:
    made.persons[0].heard.lines.append(made.persons[1].heard.lines[0])


def lose_before_the_file(made: Made) -> None:
    path = made.run.path / "out.ndjson"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]), encoding="utf-8")


def end_without_cause(made: Made) -> None:
    record = made.run.record
    made.write(made.run, {**record, "end": {**record["end"], "cause": ""}})


def tell_two_ends(made: Made) -> None:
    made.persons[0].heard.ends[made.run.id].add("failed")


def run_twice_at_once(made: Made) -> None:
    made.add_run(made.persons[0], 19.0, 30.0)


def take_a_prompt_twice(made: Made) -> None:
    with made.run.journal_path.open("a", encoding="utf-8") as journal:
        journal.write("prompt prompt-1\n")


def lose_a_prompt(made: Made) -> None:
    made.persons[0].accepted.append("prompt-of-nowhere")


def answer_twice(made: Made) -> None:
    with made.run.journal_path.open("a", encoding="utf-8") as journal:
        journal.write("answer ask-1\n")


def leave_a_folder(made: Made) -> None:
    (made.run.path.parent / ("f" * 32)).mkdir()


def leave_half_a_record(made: Made) -> None:
    (made.run.path / "run.new").touch()


def log_a_traceback(made: Made) -> None:
    words = "ERROR\nTraceback (most recent call last):\n  File\nValueError: no\n"
    made.stage.log.write_text(words, encoding="utf-8")


def take_memory(made: Made) -> None:
    made.stage.peak_mb = 10_000.0


def complain(made: Made) -> None:
    made.persons[0].complaints.append("The page hangs.")


def test_a_round_in_which_nothing_went_wrong_has_no_fault(made: Made) -> None:
    assert made.found() == {}


@pytest.mark.parametrize(
    ("spoil", "seen_by"),
    [
        (lose, "every_line_was_heard_once_and_in_order"),
        (double, "every_line_was_heard_once_and_in_order"),
        (swap, "every_line_was_heard_once_and_in_order"),
        (mix, "no_session_heard_of_another"),
        (lose_before_the_file, "every_written_line_is_in_the_file"),
        (end_without_cause, "every_end_is_recorded_once_and_reported"),
        (tell_two_ends, "every_end_is_recorded_once_and_reported"),
        (run_twice_at_once, "a_session_has_one_claude_at_a_time"),
        (take_a_prompt_twice, "every_prompt_arrived_once"),
        (lose_a_prompt, "every_prompt_arrived_once"),
        (answer_twice, "every_question_got_one_answer"),
        (leave_a_folder, "every_folder_is_a_run_that_was_asked_for"),
        (leave_half_a_record, "every_folder_is_a_run_that_was_asked_for"),
        (log_a_traceback, "the_log_has_no_traceback"),
        (take_memory, "the_servers_memory_is_bounded"),
        (complain, "no_client_met_what_it_should_not"),
    ],
    ids=lambda value: getattr(value, "__name__", "").replace("_", " "),
)
def test_a_check_sees(made: Made, spoil: Callable[[Made], None], seen_by: str) -> None:
    spoil(made)
    assert seen_by in made.found()
