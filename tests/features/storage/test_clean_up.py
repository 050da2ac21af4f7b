"""A clean-up moves exactly what a dry run has shown, and what is still needed stays."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import gevent
import pytest

from opcode_htmx.features.storage import clean_up, still_needed
from tests.features.storage.store import Store, boxes, definitions
from tests.support.cli.supervision import BY, steps
from tests.support.clients import api
from tests.support.environment import until


def test_the_dry_run_lists_sessions_by_project_and_moves_nothing(store: Store) -> None:
    barn = store.sandbox.project.with_name("barn")
    files = [
        store.session("plough", 400, size=2_000_000),
        store.session("sow", 100),
        store.session("reap", 89),
        store.session("feed", 200, barn),
    ]
    plan = store.plan()
    assert "3 sessions would go, 2.0 MB" in plan
    parts = re.findall(r'<span class="row-detail wide">(\d+ sessions?)', plan)
    assert parts == ["2 sessions", "1 session"]
    assert [label for _, label in boxes(plan)] == ["plough", "sow", "feed"]
    assert "2.0 MB</strong>" in plan
    assert "1 session would go" in store.plan(365)
    assert all(path.exists() for path in files)
    assert not (store.sandbox.state / "trash").exists()


def test_what_was_shown_goes_to_the_trash_and_one_undo_brings_it_back(store: Store) -> None:
    old = [store.session("plough", 400), store.session("sow", 100)]
    recent = store.session("reap", 10)
    moved = store.move(store.plan())
    assert moved.status_code == 303
    assert [path.exists() for path in (*old, recent)] == [False, False, True]
    page = store.page(moved.location)
    assert "Deleted 2 sessions. They are kept for 7 days." in page
    assert page.count(">Restore<") == 2
    undo = re.findall(r'action="(/trash/batches/[0-9a-f]{32}/restore)"', page)[0]
    assert store.client.post(undo, data={"back": "/storage"}).location == "/storage"
    assert all(path.exists() for path in old)
    assert "2 sessions would go" in store.plan()


def test_what_is_unticked_stays(store: Store) -> None:
    barn = store.sandbox.project.with_name("barn")
    goes, stays = store.session("plough", 400), store.session("sow", 100)
    other = store.session("feed", 200, barn)
    assert store.move(store.plan(), "plough", "sow", "feed").status_code == 422
    moved = store.move(store.plan(), "sow", "feed")
    assert [path.exists() for path in (goes, stays, other)] == [False, True, True]
    assert "Deleted 1 session." in store.page(moved.location)


def test_a_long_list_is_cut_and_the_rest_has_boxes_of_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "LISTED_OF_PROJECT", 2)
    monkeypatch.setattr(clean_up, "LISTED", 3)
    monkeypatch.setattr(clean_up, "LISTED_PROJECTS", 2)
    folders = [store.sandbox.project.with_name(name) for name in ("barn", "field", "hill", "shed")]
    files = [
        store.session(f"{folder.name} {number}", 400, folder, 40_000 - 9_000 * place - number)
        for place, folder in enumerate(folders)
        for number in range(3)
    ]
    plan = store.plan()
    labels = [label for _, label in boxes(plan)]
    assert labels == [
        *("barn 0", "barn 1", "and 1 more session"),
        *("field 0", "and 2 more sessions", "6 sessions"),
    ]
    assert ">Other projects<" in plan
    store.move(plan, "barn 0", "and 2 more sessions", "6 sessions")
    left = {path.parent.name.rpartition("-")[2] for path in files if path.exists()}
    gone = [path for path in files if not path.exists()]
    assert gone == [files[1], files[2], files[3]]
    assert left == {"barn", "field", "hill", "shed"}


def test_nothing_moves_if_a_box_stands_for_other_sessions_by_now(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "LISTED_OF_PROJECT", 2)
    files = [store.session(f"row {number}", 400, size=9_000 - number) for number in range(4)]
    plan = store.plan()
    assert [label for _, label in boxes(plan)] == ["row 0", "row 1", "and 2 more sessions"]
    when = files[3].stat().st_mtime
    with files[3].open("a") as file:  # it is the largest one now
        file.write(api.line({"type": "padding", "text": "x" * 9_000}))
    os.utime(files[3], (when, when))
    assert store.move(plan, "row 1").location == "/storage/clean-up?days=90"
    assert [path.exists() for path in files] == [True] * 4


def test_time_that_a_tool_has_printed_is_not_that_of_its_session(store: Store) -> None:
    path = store.session("plough", 400)
    entry = {
        "type": "user",
        "timestamp": api.stamp(time.time()),
        "toolUseResult": {"timestamp": "2020-01-01T00:00:00.000Z"},
    }
    with path.open("a") as file:
        file.write(json.dumps(entry, separators=(",", ":")) + "\n")
    assert "Nothing would go" in store.plan()


def test_nothing_moves_if_it_is_not_what_was_shown(store: Store) -> None:
    store.session("plough", 400)
    pinned = store.session("sow", 100)
    store.context.sessions.flags.pin([pinned.stem])
    plan = store.plan()
    store.context.sessions.flags.pin([pinned.stem], False)
    answer = store.move(plan)
    assert answer.location == "/storage/clean-up?days=90"
    assert pinned.exists()
    notice = next(
        each for each in answer.headers.getlist("Set-Cookie") if each.startswith("opcode_notice")
    )
    cookie = {"Cookie": notice.partition(";")[0]}
    page = store.client.get(answer.location, headers=cookie).text
    assert "Nothing was moved" in page
    assert "2 sessions would go" in page


def test_a_session_that_was_used_since_the_dry_run_stays(store: Store) -> None:
    path = store.session("plough", 400)
    plan = store.plan()
    with path.open("a") as file:
        file.write(api.prompt("once more", store.sandbox.project, time.time()))
    assert "clean-up" in store.move(plan).location
    assert path.exists()


def test_old_copy_of_a_session_that_is_used_in_another_project_stays(store: Store) -> None:
    used = store.session("plough", 1)
    copy = store.session("sow", 400, store.sandbox.project.with_name("barn"))
    copy = copy.rename(copy.with_name(used.name))
    assert "Nothing would go" in store.plan()
    assert copy.exists()


def test_what_is_still_needed_stays_and_the_page_says_why(store: Store, tmp_path: Path) -> None:
    runs, asks = store.session("runs", 400), store.session("asks", 400)
    pinned, draft = store.session("pinned", 400), store.session("draft", 400)
    failed, gone = store.session("failed", 400), store.session("gone", 400)
    store.context.sessions.flags.pin([pinned.stem])
    store.context.sessions.flags.archive([gone.stem])
    store.client.post(f"{store.address(draft)}/draft", data={"prompt": "more", "by": "test"})

    def prompt(path: Path, *what: object) -> None:
        form = {"prompt": steps(*what), "prompt_id": str(uuid.uuid4())}  # type: ignore[arg-type]
        assert store.client.post(f"{store.address(path)}/prompt", data=form).status_code == 303

    prompt(runs, ["wait", str(tmp_path / "never")])
    prompt(asks, ["ask", "r1"])
    prompt(failed, ["exit", 3])

    def is_settled() -> bool:
        newest = {run.record.session_id: run for run in store.context.runs.newest()}
        ended = newest[failed.stem].record.end
        return ended is not None and bool(newest[asks.stem].state.asks)

    until(is_settled, "one asks and one has failed", sleep=lambda: gevent.sleep(0.02))
    plan = store.plan()
    kept = definitions(plan.partition('id="kept"')[2])
    reasons = (
        *(still_needed.RUNS, still_needed.WAITS, still_needed.PINNED),
        *(still_needed.ATTENTION, still_needed.DRAFT),
    )
    assert kept == dict.fromkeys(reasons, "1 session")
    assert "1 session would go" in plan
    store.move(plan)
    left = [path.exists() for path in (runs, asks, pinned, draft, failed, gone)]
    assert left == [True, True, True, True, True, False]


def test_what_is_open_or_holds_an_unread_message_stays(store: Store, tmp_path: Path) -> None:
    opened, elsewhere = store.session("opened", 400), store.session("elsewhere", 400)
    unread = store.session("unread", 400)
    assert store.client.get(store.address(opened)).status_code == 200
    entry = {"pid": os.getpid(), "sessionId": elsewhere.stem, "entrypoint": "cli"}
    registry = store.sandbox.config_dir / "sessions" / f"{os.getpid()}.json"
    registry.parent.mkdir()
    registry.write_text(json.dumps(entry))
    for prompt in (steps(["text", "hm"], ["wait", str(tmp_path / "never")]), "left behind"):
        form = {"prompt": prompt, "prompt_id": str(uuid.uuid4())}
        assert store.client.post(f"{store.address(unread)}/prompt", data=form).status_code == 303
    (run,) = store.context.runs.of_session(unread.stem)
    until(lambda: run.read_to > 0, "it works", sleep=lambda: gevent.sleep(0.02))
    run.stop(by=BY)
    assert run.join(30)
    kept = definitions(store.plan().partition('id="kept"')[2])
    reasons = (still_needed.VIEWED, still_needed.ELSEWHERE, still_needed.UNREAD)
    assert kept == dict.fromkeys(reasons, "1 session")


@pytest.mark.parametrize(
    "wrong", [{"days": "1"}, {"days": "x"}, {"before": "x"}, {"before": "nan"}, {"before": "1e999"}]
)
def test_forms_that_no_page_has_are_refused(store: Store, wrong: Mapping[str, str]) -> None:
    path = store.session("plough", 400)
    assert store.move(store.plan(), **wrong).status_code == 422
    assert store.client.get("/storage/clean-up?days=3").status_code == 422
    assert path.exists()


def test_all_of_a_full_trash_can_be_restored(store: Store) -> None:
    for number in range(25):
        store.session(f"plough {number}", 400)
    store.move(store.plan())
    assert store.page().count(">Restore<") == 20
    assert "Show all 25 sessions" in store.page()
    assert store.page("/storage?trash=all").count(">Restore<") == 25


def test_the_trash_is_emptied_for_good(store: Store) -> None:
    store.session("plough", 400)
    store.move(store.plan())
    assert "This deletes 1 session for good." in store.page()
    assert store.client.post("/trash/empty").location == "/storage"
    assert "The trash is empty." in store.page()
    assert list((store.sandbox.state / "trash").iterdir()) == []
