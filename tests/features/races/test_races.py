"""One prompt in several copies: side by side, the best is merged, the rest goes with an undo."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import gevent
import pytest

from opcode_htmx.features.races.endings import RaceEndings
from opcode_htmx.features.races.records import Race, RaceRefused, Races, RaceState, Stage
from opcode_htmx.features.races.runner import Entry, RaceRunner, Wanted
from opcode_htmx.lib.git.integration.merges import NothingToMerge, Way
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.worktrees.endings import Merge
from opcode_htmx.sessions.worktrees.project_setup import ProjectSetup
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from tests.support.environment import Sandbox
from tests.support.pages.claude_pages import form_of
from tests.support.workshop import Workshop, workshop_in


def races(workshop: Workshop) -> Races:
    return Races(workshop.context.state.folder("races"))


def starting_and_ending(workshop: Workshop) -> tuple[RaceRunner, RaceEndings]:
    endings = RaceEndings(workshop.context, races(workshop))
    return RaceRunner(workshop.context, races(workshop), endings), endings


def started(workshop: Workshop, race_id: str) -> Race:
    workshop.until(
        lambda: all(e.start is not Stage.NOTED for e in races(workshop).get(race_id).contestants),
        "all contestants have started or failed",
    )
    return races(workshop).get(race_id)


def idle(workshop: Workshop, race: Race) -> list[Path]:
    """Wait until all turns are over; the copies."""
    found = []
    for each in race.contestants:
        workshop.wait_for_turn(each.session_id)
        found.append(workshop.copy_of(each.session_id))
    return found


def begin(workshop: Workshop, **more: Any) -> Race:
    page = workshop.client.get("/races/new", query_string={"folder": str(workshop.top)}).text
    form = {**form_of(page), "prompt": "Grow the apple tree", "take-a": "1", "take-b": "1", **more}
    for key in "abcd":
        if not form.get(f"take-{key}") or key in more.get("without", ""):
            form.pop(f"take-{key}", None)
    answer = workshop.client.post("/races", data=form)
    assert answer.status_code == 303, answer.text
    race_id = answer.headers["Location"].rpartition("/")[2]
    if more.get("twice"):
        assert workshop.client.post("/races", data=form).headers["Location"].endswith(race_id)
    return started(workshop, race_id)


def test_the_winner_is_merged_and_the_others_can_be_brought_back(workshop: Workshop) -> None:
    chosen = {"model-b": "opus", "words-b": "Grow it tall"}
    race = begin(workshop, without="cd", twice="1", **chosen)
    first, second = idle(workshop, race)
    assert (first.name, second.name) == ("grow-the-apple-tree-a", "grow-it-tall-b")
    assert len(races(workshop).all()) == 1, "a form that is sent twice is one race"
    sent = [list(workshop.context.runs.of_session(e.session_id)[-1].state.sent.values())
            for e in race.contestants]  # fmt: skip
    assert sent == [["Grow the apple tree"], ["Grow it tall"]]
    options = workshop.context.runs.options.options(race.contestants[1].session_id)
    assert options.model == "opus"
    (first / "apple").write_text("1\n2\n3\n4\n")
    (second / "apple").write_text("1\n2\n")
    (second / "pear").write_text("green\n")

    page = workshop.client.get(f"/races/{race.id}").text
    assert '+1</span> <span class="race-minus">−0</span> in 1 file' in page
    assert '+1</span> <span class="race-minus">−1</span> in 2 files' in page
    assert "/changes" in page
    shown = workshop.api("GET", f"/api/races/{race.id}")
    assert [[f["path"] for f in e["files"]] for e in shown["contestants"]] == [
        ["apple"],
        ["apple", "pear"],
    ]

    (workshop.top / "apple").write_text("mine\n")
    win = f"/races/{race.id}/win/b"
    assert "comes into" in workshop.client.get(win).text
    refused = workshop.post(win, 409, way="squash", message="Grow")
    assert "uncommitted changes that the merge would touch: apple" in refused.text
    assert first.exists() and second.exists()
    workshop.git("checkout", "-q", "--", "apple")
    workshop.post(win, way="squash", message="Grow")
    assert (workshop.top / "apple").read_text() == "1\n2\n"
    assert workshop.git("log", "--format=%s").split() == ["Grow", "first"]
    assert not first.exists() and not second.exists()
    assert workshop.git("worktree", "list").count("\n") == 1
    assert races(workshop).get(race.id).state is RaceState.DECIDED
    assert "won" in workshop.client.get(f"/races/{race.id}").text
    assert "B won" in workshop.client.get("/races").text
    assert "decided" in workshop.post(win, 409, way="squash").text

    kept = {each["branch"]: each for each in workshop.api("GET", "/api/kept-worktrees")}
    workshop.post(f"/worktrees/kept/{kept['grow-the-apple-tree-a']['id']}/restore")
    assert (first / "apple").read_text() == "1\n2\n3\n4\n"


def test_a_failure_is_shown_and_the_others_go_on(workshop: Workshop) -> None:
    fails = json.dumps([["stderr", "no such tree"], ["exit", 3]])
    race = begin(workshop, without="cd", **{"words-b": fails})
    idle(workshop, race)
    page = workshop.client.get(f"/races/{race.id}").text
    assert "race-failed" in page
    workshop.post(f"/races/{race.id}/stop")
    workshop.post(f"/races/{race.id}/drop")
    assert workshop.git("branch", "--list").split() == ["*", "main"]
    assert "thrown away" in workshop.client.get("/races").text
    workshop.post(f"/races/{race.id}/drop", 422)
    assert workshop.client.get(f"/races/{'0' * 32}").status_code == 404


def test_starts_that_a_crash_has_cut_off_are_made_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, _ = starting_and_ending(workshop)
    monkeypatch.setattr(RaceRunner, "round", lambda self: None)  # as if it were killed here
    wanted = Wanted(workshop.top, "Grow", [Entry(), Entry("opus")], id=uuid.uuid4().hex)
    race = runner.begin(wanted, by=SYSTEM)
    assert [each.start for each in race.contestants] == [
        Stage.NOTED,
        Stage.NOTED,
    ]
    with pytest.MonkeyPatch.context() as patch:  # and once more after the first copy was made
        patch.setattr(
            SessionWorktrees, "begin_now", lambda *_, **__: (_ for _ in ()).throw(SystemExit)
        )
        runner._prepare(race, race.contestants[0])
    made = workshop.copy_of(race.contestants[0].session_id)
    assert made.exists()
    monkeypatch.undo()

    again = started(workshop, race.id)
    assert [each.start for each in again.contestants] == [
        Stage.BEGUN,
        Stage.BEGUN,
    ]
    assert idle(workshop, again)[0] == made
    for each in again.contestants:
        assert len(workshop.context.runs.of_session(each.session_id)) == 1


def test_of_two_winners_at_once_one_is_merged(workshop: Workshop) -> None:
    race = begin(workshop, without="cd")
    for each in idle(workshop, race):
        (each / each.name).write_text("x\n")
    endings = RaceEndings(workshop.context, races(workshop))
    refused: list[str] = []

    def win(key: str) -> None:
        try:
            endings.win(race, key, Merge(Way.SQUASH, key, commit=True), by=SYSTEM)
        except RaceRefused as error:
            refused.append(str(error))

    gevent.joinall([gevent.spawn(win, key) for key in "ab"], raise_error=True)
    assert refused == ["This race is decided."]
    assert workshop.git("log", "--format=%s").split()[1:] == ["first"]


@pytest.mark.parametrize("way", [Way.MERGE, Way.SQUASH])
def test_a_merge_that_a_crash_has_cut_off_from_its_record_is_made_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    race = begin(workshop, without="cd")
    first, second = idle(workshop, race)
    endings = RaceEndings(workshop.context, races(workshop))
    merge = Merge(way, "Grow", commit=True)
    with pytest.raises(NothingToMerge):
        endings.win(race, "a", merge, by=SYSTEM)
    (first / "apple").write_text("changed\n")
    merged = endings._copy_endings.merge

    def killed(*arguments: Any, **more: Any) -> None:
        merged(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(endings._copy_endings, "merge", killed)
        with pytest.raises(KeyboardInterrupt):
            endings.win(race, "a", merge, by=SYSTEM)
    commits = workshop.git("log", "--format=%H")
    assert races(workshop).get(race.id).state is RaceState.OPEN
    with pytest.raises(NothingToMerge):
        endings.win(race, "b", merge, by=SYSTEM)
    endings.win(race, "a", merge, by=SYSTEM)
    assert workshop.git("log", "--format=%H") == commits
    decided = races(workshop).get(race.id)
    assert (decided.state, decided.winner) == (RaceState.DECIDED, "a")
    assert not first.exists()
    assert not second.exists()


def test_a_race_that_is_over_begins_no_session_after_its_set_up(workshop: Workshop) -> None:
    go = workshop.top.parent / "go"
    command = f"while ! test -e '{go}'; do sleep 0.05; done"
    workshop.service.setups.set(ProjectSetup(str(workshop.top), (), command))
    wanted = Wanted(workshop.top, "Grow", [Entry(), Entry()], id=uuid.uuid4().hex)
    runner, endings = starting_and_ending(workshop)
    race = runner.begin(wanted, by=SYSTEM)
    ids = [each.session_id for each in race.contestants]
    workshop.until(lambda: all(map(workshop.service.is_setting_up, ids)), "both are set up")
    endings.drop(race, by=SYSTEM)
    over = races(workshop).get(race.id)
    assert all("set-up command is running" in each.problem for each in over.contestants)
    assert all(workshop.copy_of(each).exists() for each in ids)
    go.touch()
    workshop.until(
        lambda: not any(map(workshop.service.is_setting_up, ids)) and not runner._starting,
        "the starts are over",
    )
    assert not any(map(workshop.context.runs.of_session, ids))
    runner.stop()


def test_what_cannot_race_is_refused_with_the_words_kept(workshop: Workshop) -> None:
    page = workshop.client.get("/races/new", query_string={"folder": str(workshop.top)}).text
    form = {**form_of(page), "prompt": "Grow"}
    for key in "bcd":
        form.pop(f"take-{key}", None)
    refused = workshop.client.post("/races", data=form)
    assert (refused.status_code, "2 to 4 ways" in refused.text) == (422, True)
    assert "Grow</textarea>" in refused.text
    form |= {"take-b": "1", "base": "nowhere"}
    assert "no branch or commit" in workshop.client.post("/races", data=form).text
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "echo from-the-project"}]}]}
    (workshop.top / ".claude").mkdir(exist_ok=True)
    (workshop.top / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    asked = workshop.client.post("/races", data={**form, "base": ""})
    assert (asked.status_code, "Begin there yourself" in asked.text) == (409, True)
    workshop.api("POST", "/api/races", 422, project_path=str(workshop.top), prompt="x",
                 contestants=[{}])  # fmt: skip
    assert races(workshop).all() == []


def test_the_prompt_of_a_new_session_goes_along(workshop: Workshop) -> None:
    page = workshop.client.get("/new", query_string={"folder": str(workshop.top)}).text
    assert "Try several ways" in page
    answer = workshop.post("/races/new/compose", prompt="Grow all", folder=str(workshop.top))
    assert "Grow all" in workshop.client.get(answer.headers["Location"]).text


def test_contestants_wait_for_room_as_every_run_does(sandbox: Sandbox, stand_in: Path) -> None:
    with workshop_in(sandbox, stand_in, most_runs="1") as workshop:
        never = json.dumps([["wait", str(workshop.top.parent / "never")]])
        race = begin(workshop, without="cd", **{"words-a": never, "words-b": "Grow"})
        runs = workshop.context.runs
        first, second = (runs.of_session(each.session_id)[-1] for each in race.contestants)
        workshop.until(lambda: first.phase is Phase.WORKING, "the first is at work")
        assert second.phase is Phase.QUEUED
        page = workshop.client.get(f"/races/{race.id}").text
        assert "Waits for room" in page
        assert "Stop all" in page
        first.stop(by=SYSTEM)
        workshop.wait_for_turn(race.contestants[1].session_id)
        workshop.post(f"/races/{race.id}/stop")
        workshop.until(lambda: not second.live, "all are stopped")
