"""Worktrees that are left over are found, ours and others, each with its clean-up."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.claude.files.lists import worktree_state
from opcode_htmx.lib.git import process
from tests.support.clients import api
from tests.support.workshop import Workshop

OTHER = "5e551000-0000-4000-8000-000000000009"


def with_project(workshop: Workshop, *, entered: Path | None = None) -> None:
    """A session in the main checkout, which may have entered a worktree."""
    lines = api.prompt("Prune the trees", workshop.top)
    if entered:
        state = {
            "type": "worktree-state",
            "worktreeSession": {
                "originalCwd": str(workshop.top),
                "worktreePath": str(entered),
                "worktreeBranch": "worktree-x",
                "originalBranch": "main",
                "originalHeadCommit": "0" * 40,
            },
            "sessionId": OTHER,
        }
        lines += json.dumps(state) + "\n"
    api.session(workshop.context.workspace.config_dir, workshop.top, lines, OTHER)


def found(workshop: Workshop) -> dict[str, dict[str, object]]:
    return {each["branch"]: each for each in workshop.api("GET", "/api/worktrees")}


def test_those_of_git_and_of_claude_are_found_and_removed(workshop: Workshop) -> None:
    place = workshop.top / ".claude" / "worktrees"
    by_hand, moved = workshop.outside / "orchard-2", place / "moved"
    workshop.git("worktree", "add", "-q", "-b", "hand", str(by_hand))
    workshop.git("worktree", "add", "-q", "-b", "moved", str(moved))
    workshop.git("worktree", "add", "-q", "-b", "worktree-x", str(place / "x"))
    pid = os.getpid()
    workshop.git("worktree", "add", "-q", "-b", "worktree-y", str(place / "y"))
    workshop.git("worktree", "lock", "--reason", f"claude session y (pid {pid})", str(place / "y"))
    workshop.git("worktree", "add", "-q", "-b", "worktree-z", str(place / "z"))
    workshop.git("worktree", "lock", "--reason", "claude session z (pid 999999999)",
                 str(place / "z"))  # fmt: skip
    shutil.rmtree(moved)
    with_project(workshop, entered=place / "x")

    known = found(workshop)
    assert {name: each["origin"] for name, each in known.items()} == {
        "hand": "other", "moved": "claude", "worktree-x": "claude", "worktree-y": "claude",
        "worktree-z": "claude",
    }  # fmt: skip
    assert known["worktree-x"]["session_ids"] == [OTHER]
    assert {name: each["survives"] for name, each in known.items()} == {
        "hand": "No session works in it", "moved": "Its folder is gone", "worktree-x": "",
        "worktree-y": "", "worktree-z": "It is locked",
    }  # fmt: skip
    page = workshop.client.get("/worktrees").text
    assert page.index("Left over") < page.index("hand") < page.index("In use")

    session_links = workshop.client.get(
        f"/projects/{project_id(workshop.top)}/sessions/{OTHER}"
    ).text
    assert f"/worktrees/{known['worktree-x']['id']}" in session_links

    refused = workshop.post(f"/worktrees/{known['worktree-y']['id']}/discard", 409)
    assert "A Claude at the computer" in refused.text
    for name in ("hand", "moved"):
        workshop.post(f"/worktrees/{known[name]['id']}/discard", 409 if name == "hand" else 303)
    workshop.post(f"/worktrees/{known['worktree-z']['id']}/unlock")
    assert found(workshop)["worktree-z"]["locked"] is None
    workshop.post(f"/worktrees/{known['worktree-z']['id']}/discard")
    assert set(found(workshop)) == {"hand", "worktree-x", "worktree-y"}


@pytest.mark.parametrize("inside", ["", "deep", None])
def test_a_claude_in_a_terminal_without_a_lock_of_git_is_noticed(
    workshop: Workshop, inside: str | None
) -> None:
    place = workshop.top / ".claude" / "worktrees"
    for name in ("x", "xy"):
        workshop.git("worktree", "add", "-q", "-b", name, str(place / name))
    with_project(workshop, entered=place / "x")
    pid = os.getpid()
    cwd, session = (workshop.top, OTHER) if inside is None else (place / "x" / inside, "unknown")
    registry = workshop.context.workspace.config_dir / "sessions" / f"{pid}.json"
    registry.parent.mkdir(exist_ok=True)
    entry = {"pid": pid, "sessionId": session, "cwd": str(cwd), "entrypoint": "cli"}
    registry.write_text(json.dumps(entry))

    known = found(workshop)
    address = f"/worktrees/{known['x']['id']}"
    assert f"process {pid}" in workshop.client.get(address).text
    refused = workshop.post(f"{address}/discard", 409)
    assert "at the computer" in refused.text
    assert (place / "x").exists()
    workshop.post(f"/worktrees/{known['xy']['id']}/discard")
    registry.unlink()
    workshop.post(f"{address}/discard")


def test_those_whose_session_is_gone_are_left_over(workshop: Workshop) -> None:
    session = workshop.start("Grow")
    workshop.rest(session)
    run = workshop.context.runs.of_session(session)[-1]
    workshop.context.runs.forget(session)
    shutil.rmtree(run.folder.path)
    known = workshop.api("GET", "/api/worktrees")
    assert [each["survives"] for each in known] == ["Its session is gone"]


def test_the_last_line_says_where_a_session_is(tmp_path: Path) -> None:
    def line(session: object) -> str:
        return json.dumps({"type": "worktree-state", "worktreeSession": session}) + "\n"

    path = tmp_path / "a.jsonl"
    path.write_text(line({"worktreePath": "/w/x", "worktreeBranch": "b"}) + '{"type":"user"}\n')
    entered = worktree_state.of_file(path)
    assert entered is not None
    assert (entered.path, entered.branch) == ("/w/x", "b")
    with path.open("a") as file:
        file.write(line(None) + '{"type":"worktree-st')
    assert worktree_state.of_file(path) is None
    path.write_text(line({"worktreePath": 5}) + line([]) + "worktree-state\n")
    assert worktree_state.of_file(path) is None
    assert worktree_state.of_file(tmp_path / "none") is None


def test_the_list_starts_git_about_once_a_copy(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        place = workshop.top / ".claude" / "worktrees" / f"w{number}"
        workshop.git("worktree", "add", "-q", "-b", f"w{number}", str(place))
    with_project(workshop)
    (place / "inner").mkdir()
    workshop.git("init", "-q", at=place / "inner")
    (place / "inner" / "file").touch()
    workshop.commit(place / "inner", "of nobody else")
    workshop.commit(place, "with a repository in it")
    started = Counter[str]()
    run = process.run

    def noted(arguments: list[str], *more: Any, **named: Any) -> process.Output:
        started[arguments[0]] += 1
        return run(arguments, *more, **named)

    monkeypatch.setattr(process, "run", noted)
    page = workshop.client.get("/worktrees").text
    assert page.count("nothing to lose") == 5
    assert page.count("work in repositories within it") == 1
    assert page.count("1 commit") == 1
    # the sixth has a repository, which is looked into; what counts in the background adds one
    assert 6 <= started["status"] <= 7
    assert started["rev-list"] == 2 + 1
    assert started["config"] <= 4
    assert sum(started.values()) <= 6 + 12
