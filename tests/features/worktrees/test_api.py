"""/api/worktrees does what the pages do: begin, list, rebase, merge, remove, bring back."""

from __future__ import annotations

import uuid

from tests.support.workshop import Workshop


def test_the_whole_way_by_the_api(workshop: Workshop) -> None:
    session = str(uuid.uuid4())
    body = {"project_path": str(workshop.top), "prompt": "Grow", "session_id": session}
    begun = workshop.api("POST", "/api/worktrees", 202, **body, model="opus", branch="trees/tall")
    assert (begun["branch"], begun["base"], begun["state"]) == ("trees/tall", "main", "begun")
    again = workshop.api("POST", "/api/worktrees", 202, **body, model="opus", branch="trees/tall")
    assert again == begun
    assert workshop.context.runs.options.options(session).model == "opus"
    workshop.rest(session)
    copy, one = workshop.copy_of(session), f"/api/worktrees/{begun['worktree_id']}"
    (copy / "pear").write_text("green\n")
    workshop.commit(copy, "a pear")
    (workshop.top / "plum").write_text("blue\n")
    workshop.commit(workshop.top, "a plum")
    shown = workshop.api("GET", one)
    assert (shown["ahead"], shown["behind"], shown["uncommitted"]) == (1, 1, 0)
    assert shown["session_ids"] == [session]
    refused = workshop.client.post(f"{one}/merge", json={"way": "fast-forward"})
    assert (refused.status_code, "Rebase first" in refused.text) == (409, True)
    assert workshop.api("POST", f"{one}/rebase")["behind"] == 0

    kept = workshop.api("DELETE", one)
    assert workshop.api("GET", "/api/worktrees") == []
    workshop.api("GET", one, 404)
    back = workshop.api("POST", f"/api/kept-worktrees/{kept['id']}/restore")
    assert (back["id"], back["ahead"]) == (begun["worktree_id"], 1)
    merged = workshop.api("POST", f"{one}/merge", way="fast-forward")
    assert merged["kept"]["merged"] is True
    assert workshop.git("log", "--format=%s").split("\n")[:2] == ["a pear", "a plum"]


def test_what_cannot_be_begun_is_refused(workshop: Workshop) -> None:
    body = {"project_path": str(workshop.top), "prompt": "Grow"}
    workshop.api("POST", "/api/worktrees", 422, **body, base="nowhere")
    workshop.api("POST", "/api/worktrees", 422, **{**body, "project_path": "/etc"})
    workshop.api("POST", "/api/worktrees", 403, **body, permission_mode="bypassPermissions")
    workshop.api("POST", "/api/worktrees", 422, **body, session_id="x")
    for path in ("/api/worktrees/x", "/api/worktrees/" + "0" * 16):
        workshop.api("GET", path, 404)
        workshop.api("DELETE", path, 404)
    workshop.api("POST", f"/api/kept-worktrees/{'0' * 32}/restore", 404)
    assert workshop.api("GET", "/api/worktrees") == []
    assert workshop.service.records.all() == []
