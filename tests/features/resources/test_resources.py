"""Disk, clean-up and processes: what is shown, and that only what was shown goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.git.clones import bare
from opcode_htmx.runs.processes import process_table
from opcode_htmx.sessions.repositories.services import services
from tests.features.repositories.conftest import Shed, package_shed, settings, shared_home, shed
from tests.support.environment import SYSTEM_PATH, until
from tests.support.outside.git_server import git

__all__ = ["package_shed", "settings", "shared_home", "shed"]

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def old(shed: Shed, tmp_path: Path) -> Shed:
    """A clone with three old worktrees: a clean one, one with work, and one whose folder is gone;
    and a clone without any."""
    for name in ("o/n", "o/lonely"):
        shed.server.repository(name)
        shed.clone(name)
    paths = [worktree(shed) for _ in range(3)]
    (paths[1] / "new").write_text("x")
    paths[2].rename(tmp_path / "moved")
    at = time.time() - 40 * 86400
    for path in [*paths[:2], *(shed.folder / "repos" / "o__n" / "worktrees").glob("*/*")]:
        os.utime(path, (at, at))
    for log in (shed.folder / "repos" / "o__n" / "worktrees").glob("*/logs/HEAD"):
        os.utime(log, (at, at))
    for record in (shed.sandbox.state / "repositories").glob("*.json"):
        content = json.loads(record.read_text())
        record.write_text(json.dumps({**content, "used_at": at, "refreshed_at": at}))
    return shed


def worktree(shed: Shed) -> Path:
    body = {"repo": "o/n", "sessionId": str(uuid.uuid4())}
    return Path(shed.client.post("/mgmt/worktrees", json=body).get_json()["data"]["path"])


def gc(shed: Shed, status: int = 200, **body: Any) -> Any:
    answer = shed.client.post("/mgmt/gc", json=body)
    assert answer.status_code == status, answer.text
    return answer.get_json()["data"]


def kinds(plan: Any) -> list[tuple[str, str]]:
    return sorted((each["kind"], each["name"].split("__")[1]) for each in plan["items"])


def test_a_clean_up_does_what_its_plan_has_shown_and_no_other_one(old: Shed) -> None:
    is_counted_by_kind(old)
    plan = gc(old)
    assert plan["dry_run"]
    assert kinds(plan) == [("clone", "lonely"), ("entry", "n"), ("worktree", "n")]
    assert ["1 new file (new)" in each["why"] for each in plan["kept"]] == [True]
    is_not_done_once_it_has_changed(old, plan)
    done = gc(old, days=30, digest=plan["digest"])
    assert (done["dry_run"], kinds(done), done["kept"]) == (False, kinds(plan), [])
    assert [each["repo"] for each in old.get("/mgmt/repos")] == ["o__n"]
    (left,) = old.get("/mgmt/worktrees")
    assert (Path(left["path"]) / "new").exists()
    assert gc(old)["items"] == []


def is_counted_by_kind(old: Shed) -> None:
    """The disk."""
    disk = old.get("/mgmt/disk")
    sizes = {each["name"]: each["bytes"] for each in disk["kinds"]}
    assert sizes["repositories"] == sum(each["bytes"] for each in disk["repositories"]) > 0
    assert sizes["worktrees"] == sum(each["bytes"] for each in disk["worktrees"]) > 0
    assert [each["name"] for each in disk["repositories"]] == ["o__lonely", "o__n"]
    assert disk["total"] == sum(sizes.values())
    assert (disk["complete"], disk["free"] > 0) == (True, True)


def is_not_done_once_it_has_changed(old: Shed, plan: Any) -> None:
    """A plan; afterwards all is as it was."""
    (each,) = [each for each in plan["items"] if each["kind"] == "worktree"]
    folder = old.folder / "worktrees" / each["name"]
    at = folder.stat().st_mtime
    (folder / "work").write_text("x")
    gc(old, 409, days=30, digest=plan["digest"])
    (folder / "work").unlink()
    os.utime(folder, (at, at))
    gc(old, 409, days=90, digest=plan["digest"])
    assert len(old.get("/mgmt/repos")) == 2


def test_a_worktree_that_holds_the_copy_of_another_session_stays(old: Shed, tmp_path: Path) -> None:
    (each,) = [each for each in gc(old)["items"] if each["kind"] == "worktree"]
    path = old.folder / "worktrees" / each["name"]
    environment = {"PATH": SYSTEM_PATH, "HOME": str(old.sandbox.home)}
    copy = worktrees.make(path, "copy", environment)
    (copy / "only here").write_text("x")
    outside = tmp_path / "by hand"
    lonely = old.folder / "repos" / "o__lonely"
    git(lonely, "worktree", "add", "-q", "--detach", str(outside))
    at = time.time() - 40 * 86400
    os.utime(path, (at, at))
    plan = gc(old)
    assert kinds(plan) == [("entry", "n")]
    whys = " ".join(each["why"] for each in plan["kept"])
    assert "1 worktree in it (.claude/worktrees/copy)" in whys
    assert f"the worktree {outside}, which needs it" in whys
    answer = old.client.delete(f"/mgmt/worktrees/{each['name']}")
    assert answer.status_code == 409
    assert (copy / "only here").exists()


def test_what_is_new_stays(shed: Shed) -> None:
    shed.server.repository("o/n")
    shed.clone()
    worktree(shed)
    assert (gc(shed, days=1)["items"], gc(shed, days=1)["kept"]) == ([], [])


def test_the_rest_of_an_interrupted_clone_goes(shed: Shed) -> None:
    found = shed.context.once(services)
    gc(shed)  # meanwhile the app has cleaned up, as it does at its start
    found.places.make()
    found.places.new_clone("o__n").mkdir()
    plan = gc(shed)
    assert [each["kind"] for each in plan["items"]] == ["rest"]
    gc(shed, days=30, digest=plan["digest"])
    assert list(found.places.repos.iterdir()) == []


def test_objects_that_are_scattered_are_packed(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    shed.server.repository("o/n")
    shed.clone()
    repo = shed.folder / "repos" / "o__n"
    monkeypatch.setattr(bare, "MOST_LOOSE", 3)
    assert gc(shed)["items"] == []
    for number in range(4):
        (repo / "text").write_text(str(number))
        git(repo, "tag", f"kept-{number}", git(repo, "hash-object", "-w", "text").strip())
    (repo / "text").unlink()
    plan = gc(shed)
    assert kinds(plan) == [("objects", "n")]
    assert "4 loose objects" in plan["items"][0]["why"]
    done = gc(shed, days=30, digest=plan["digest"])
    assert (kinds(done), done["kept"]) == (kinds(plan), [])
    assert git(repo, "cat-file", "-p", "kept-3") == "3"
    assert gc(shed)["items"] == []


def test_a_person_removes_what_is_ticked(old: Shed) -> None:
    page = old.client.get("/resources/clean-up?days=30").text
    plan = gc(old)
    assert f'value="{plan["digest"]}"' in page
    form = {"days": "30", "digest": plan["digest"], "go": ["clone:o__lonely"]}
    assert old.client.post("/resources/clean-up", data=form).status_code == 303
    assert [each["repo"] for each in old.get("/mgmt/repos")] == ["o__n"]
    assert len(old.get("/mgmt/worktrees")) == 2
    changed = old.client.post("/resources/clean-up", data=form)
    assert changed.location.endswith("/resources/clean-up?days=30")
    assert old.client.post("/resources/clean-up", data={"days": "30"}).status_code == 422


# --- processes ------------------------------------------------------------------------------


@pytest.fixture
def left(shed: Shed) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a run of this server that is gone."""
    run = uuid.uuid4().hex
    tags = {
        process_table.MARK: run,
        process_table.FOLDER_MARK: str(shed.sandbox.state.resolve() / "runs" / run),
    }
    with subprocess.Popen(SLEEP, env={**os.environ, **tags}, start_new_session=True) as process:
        yield process
        process.kill()


def orphans(shed: Shed) -> dict[int, float]:
    return {each["pid"]: each["started"] for each in shed.get("/mgmt/processes")["orphans"]}


def test_an_orphan_is_listed_and_ended_by_its_start(
    shed: Shed, left: subprocess.Popen[bytes]
) -> None:
    until(lambda: left.pid in orphans(shed), "it is found", sleep=lambda: gevent.sleep(0.05))
    started = orphans(shed)[left.pid]
    assert f"Process {left.pid}" in shed.client.get("/resources").text
    address = f"/mgmt/processes/{left.pid}/kill"
    for wrong in (started + 1, 0.0):
        assert shed.client.post(address, json={"started": wrong}).status_code == 404
    assert shed.client.post(address, json={}).status_code == 422
    assert left.poll() is None
    waiting = gevent.get_hub().threadpool.spawn(left.wait)
    assert shed.client.post(address, json={"started": started}).status_code == 200
    waiting.get(timeout=20)
    assert shed.client.post(address, json={"started": started}).status_code == 404


def test_no_other_process_is_ended(shed: Shed) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as other:
        try:
            key = process_table.key_of(other.pid)
            assert key
            for pid, started in ((other.pid, key.started), (os.getpid(), 1.0), (1, 1.0)):
                answer = shed.client.post(f"/mgmt/processes/{pid}/kill", json={"started": started})
                assert answer.status_code == 404
            form = {"started": str(key.started)}
            ended = shed.client.post(f"/resources/processes/{other.pid}/end", data=form)
            assert ended.status_code == 404
            assert other.poll() is None
        finally:
            other.kill()


def test_a_process_without_a_parent_is_shown_and_not_ended(shed: Shed) -> None:
    # The shell starts it in the background, and ends
    script = f"{SLEEP[0]} -c 'import time; time.sleep(600)' >/dev/null 2>&1 & echo $!"
    printed = subprocess.run(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, check=True, start_new_session=True
    ).stdout
    stray = psutil.Process(int(printed))
    try:
        if until(stray.ppid, "it has a parent") != 1:
            pytest.skip("another process than 1 adopts orphans here")
        listed = {each["pid"] for each in shed.get("/mgmt/processes")["others"]}
        assert stray.pid in listed
        assert "does not end them" in shed.client.get("/resources").text
    finally:
        stray.kill()


def test_the_documentation_lists_these_endpoints_only(shed: Shed) -> None:
    page = shed.client.get("/mgmt/docs").text
    assert "POST /mgmt/processes/{pid}/kill" in page
    assert "/api/sessions" not in page
    assert shed.app.test_client().get("/mgmt/repos").status_code == 401
    assert shed.client.get("/mgmt/nothing").get_json()["error"]


def test_git_is_not_asked_for_the_list_of_clones(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    shed.server.repository("o/n")
    shed.clone()
    worktree(shed)
    git(shed.folder / "repos" / "o__n", "branch", "x", "main")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("git was started")

    monkeypatch.setattr("opcode_htmx.lib.git.process.run", refuse)
    assert shed.client.get("/repositories").status_code == 200
    assert len(shed.get("/mgmt/worktrees")) == 1
