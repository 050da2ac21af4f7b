"""An agent is scheduled, and started where its budget, its project and its worktree allow it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.runs.budgets.book import BudgetReached
from tests.features.agents.pages.forms import FORM, api, fields
from tests.support.environment import SYSTEM_PATH, Sandbox
from tests.support.pages.claude_pages import form_of
from tests.support.plain_git import GIT


def test_an_agent_is_scheduled_and_its_schedule_names_and_keeps_it(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    client.post("/agents", data=FORM)
    assert 'formaction="/schedules/new"' in client.get("/agents/1").text
    words = "Prune all of it.\n" + "x" * 9000
    typed = {"agent": "1", "prompt": words, "folder": str(sandbox.project), "worktree": "on"}
    plain = client.post(
        "/schedules", data={**typed, "kind": "cron", "cron": "0 7 * * *", "zone": "UTC"}
    )
    assert (plain.status_code, "is in no git repository" in plain.text) == (422, True)
    assert "checked" not in plain.text.partition('name="worktree"')[2].partition(">")[0]
    (sandbox.project / ".git").mkdir()
    page = client.post("/schedules/new", data={**form_of(client.get("/agents/1").text), **typed})
    assert "Pruner" in page.text
    form = form_of(page.text) | {"kind": "cron", "other_folder": ""}
    assert typed.items() <= form.items()
    assert not {"model", "effort", "permission_mode"} & form.keys()
    form.pop("catch_up")
    refused = client.post("/schedules", data={**form, "cron": "0 7"})
    assert refused.status_code == 422
    assert typed.items() <= form_of(refused.text).items()
    assert form_of(client.post("/schedules", data={**form, "check": "1"}).text)["agent"] == "1"
    one = client.post("/schedules", data=form).headers["Location"]
    for address in (one, "/schedules"):
        assert "Pruner" in client.get(address).text
    assert "A new git worktree each time" in client.get(one).text

    edited = form_of(client.get(f"{one}/edit").text) | {"kind": "cron", "prompt": "Prune."}
    edited.pop("catch_up")
    assert client.post(f"{one}/edit", data=edited).status_code == 303
    (found,) = client.get("/api/schedules").get_json()["data"]
    assert (found["agent_id"], found["in_worktree"], found["prompt"]) == (1, True, "Prune.")
    client.post("/agents/1/delete")
    assert "It was deleted, so nothing starts" in client.get(one).text
    assert "its agent was deleted" in client.get("/schedules").text
    answer = client.post(f"{one}/edit", data=edited)
    assert (answer.status_code, "not there any more" in answer.text) == (422, True)
    assert client.post("/schedules/new", data={"agent": "x"}).status_code == 422


def test_a_worktree_can_be_chosen_where_the_project_is_a_repository(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    client.post("/agents", data=FORM)
    folder = str(sandbox.project)

    def page(**given: str) -> str:
        return client.get("/agents/1", query_string={"folder": folder, **given}).text

    assert f'<option value="{folder}" class="no-worktree" selected>' in page()
    assert 'name="worktree"' not in page()
    (sandbox.project / ".git").mkdir()
    assert f'<option value="{folder}" selected>' in page()
    assert "checked" in page(worktree="1").partition('name="worktree"')[2].partition(">")[0]
    plain = sandbox.home / "plain"
    plain.mkdir()
    both = page(folder=str(plain), worktree="1")
    assert f'<option value="{plain}" class="no-worktree" selected>' in both
    assert "checked" not in both.partition('name="worktree"')[2].partition(">")[0]


@pytest.mark.parametrize("folder", ["\0", "~nobody/x", "relative", "file:///%00", "x" * 5000])
def test_a_folder_that_is_none_in_the_address_harms_nothing(
    client: FlaskClient, folder: str
) -> None:
    client.post("/agents", data=FORM)
    assert client.get("/agents/1", query_string={"folder": folder}).status_code == 200


def test_the_picker_leads_back_to_the_folder_that_was_chosen_before(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    client.post("/agents", data=FORM)
    form = {"prompt": "Prune.", "folder": str(sandbox.project), "worktree": "on"}
    picker = client.post("/agents/1/folder", data=form).headers["Location"]
    back = next(
        html.unescape(each)
        for each in re.findall(r'href="(/agents/1[^"]*)"', client.get(picker).text)
        if "folder=" in each
    )
    page = client.get(back).text
    assert re.search(f'<option value="{sandbox.project}"[^>]* selected>', page)
    assert "Prune.</textarea>" in page


def test_the_page_of_an_agent_lists_its_schedules(client: FlaskClient, sandbox: Sandbox) -> None:
    for name in ("Pruner", "Waterer"):
        client.post("/agents", data={**FORM, "name": name})
    form = {
        "prompt": "Prune each morning",
        "folder": str(sandbox.project),
        "zone": "UTC",
        "kind": "cron",
        "cron": "0 7 * * MON-FRI",
    }
    one = client.post("/schedules", data={**form, "agent": "1"}).headers["Location"]
    page = client.get("/agents/1").text
    assert f'href="{one}"' in page
    assert "Prune each morning" in page
    assert "At 07:00 on Monday through Friday · Next: " in page
    assert one not in client.get("/agents/2").text
    client.post(f"{one}/pause")
    assert "Friday · Paused" in client.get("/agents/1").text


def test_the_schedule_of_an_agent_that_is_due_first_stands_first_and_a_button_makes_one_more(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    client.post("/agents", data=FORM)
    new = re.compile(r'<button [^>]*form="run"[^>]*formaction="/schedules/new"[^>]*>New<')
    assert not new.search(client.get("/agents/1").text), "there is one beside Run"
    form = {"folder": str(sandbox.project), "zone": "UTC", "kind": "cron", "agent": "1"}
    addresses = [
        client.post("/schedules", data={**form, "prompt": "Prune", "cron": cron}).headers[
            "Location"
        ]
        for cron in ("0 0 1 1 *", "* * * * *", "30 * * * *")
    ]
    client.post(f"{addresses[1]}/pause")
    page = client.get("/agents/1").text
    found = re.findall(r'href="(/schedules/[0-9a-f]{32})"', page)
    assert found == [addresses[2], addresses[0], addresses[1]]
    assert new.search(page)


def test_what_cannot_start_comes_back_with_its_words(client: FlaskClient, sandbox: Sandbox) -> None:
    client.post("/agents", data=FORM)
    form = fields(client.get("/agents/1").text) | {"prompt": "Prune all of it."}
    form.pop("worktree", None)
    for changes, words in (
        ({"folder": "/etc"}, "/etc"),
        ({"worktree": "on", "folder": str(sandbox.project)}, "no git repository"),
        ({"prompt": " ", "folder": str(sandbox.project)}, "Write a prompt first"),
    ):
        answer = client.post("/agents/1/run", data={**form, **changes})
        assert answer.status_code == 422
        assert words in answer.text
        if "prompt" not in changes:
            assert "Prune all of it." in answer.text
    strange = client.post(
        "/agents/1/run", data={**form, "folder": str(sandbox.project), "model": "--x"}
    )
    assert (strange.status_code, "cannot have" in strange.text) == (422, True)
    body = {"project_path": str(sandbox.project), "task": "Prune.", "model": "--x"}
    assert client.post("/api/agents/1/execute", json=body).status_code == 422
    assert api(client, "/runs") == []
    assert not list((sandbox.state / "profiles").glob("*"))


@pytest.fixture
def git(sandbox: Sandbox) -> Callable[..., str]:
    """git in the project, which has a commit with a hook, and has changed that since."""
    settings = sandbox.project / ".claude" / "settings.json"

    def hook(words: str) -> str:
        found = {"type": "command", "command": f"echo {words}"}
        return json.dumps({"hooks": {"Stop": [{"hooks": [found]}]}})

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = [*GIT, *who, *arguments]
        environment = {"PATH": SYSTEM_PATH, "HOME": str(sandbox.project.parent)}
        return subprocess.run(
            command,
            cwd=sandbox.project,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    settings.parent.mkdir(exist_ok=True)
    settings.write_text(hook("committed"))
    run("init", "-q", "-b", "main")
    run("add", "-A")
    run("commit", "-qm", "x")
    settings.write_text(hook("changed"))
    return run


def test_a_budget_that_is_used_up_keeps_the_words_and_makes_nothing(
    app: Flask,
    client: FlaskClient,
    sandbox: Sandbox,
    git: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reached(*_: object) -> None:
        raise BudgetReached("Today's budget is used up.")

    monkeypatch.setattr(app.extensions["opcode_context"].runs.budgets, "check", reached)
    client.post("/agents", data=FORM)
    form = fields(client.get("/agents/1").text) | {"prompt": "Prune all of it.", "worktree": "on"}
    answer = client.post("/agents/1/run", data={**form, "folder": str(sandbox.project)})
    assert answer.status_code == 409
    for words in ("budget is used up", "Prune all of it."):
        assert words in answer.text
    assert not (sandbox.project / ".claude" / "worktrees").exists()
    assert api(client, "/runs") == []


def test_trust_is_asked_for_what_the_project_and_its_worktree_hold_once_each(
    client: FlaskClient, sandbox: Sandbox, git: Callable[..., str]
) -> None:
    client.post("/agents", data=FORM)
    form = fields(client.get("/agents/1").text)
    form |= {"prompt": "Prune.", "worktree": "on", "folder": str(sandbox.project)}
    for words in ("echo changed", "echo committed"):
        asked = client.post("/agents/1/run", data=form)
        assert asked.status_code == 409
        assert words in asked.text
        assert git("branch").split() == ["*", "main"], "nothing is left of a refused start"
        form |= form_of(asked.text) | {"decision": "trust", "worktree": "on"}
        form |= {"folder": str(sandbox.project)}
    stale = client.post("/agents/1/run", data={**form, "digest": "x"})
    assert stale.status_code == 409
    started = client.post("/agents/1/run", data=form)
    assert started.status_code == 303, started.text


def test_an_agent_that_is_not_trusted_with_the_settings_is_started_once_without_them(
    app: Flask, client: FlaskClient, sandbox: Sandbox, git: Callable[..., str]
) -> None:
    client.post("/agents", data=FORM)
    form = fields(client.get("/agents/1").text) | {"prompt": "[]", "folder": str(sandbox.project)}
    form.pop("worktree", None)
    asked = client.post("/agents/1/run", data=form)
    assert (asked.status_code, "echo changed" in asked.text) == (409, True)
    form = form_of(asked.text) | {"folder": str(sandbox.project), "decision": "without"}
    assert form["prompt"] == "[]"
    form.pop("worktree", None)
    first, again = (client.post("/agents/1/run", data=form) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["Location"] == again.headers["Location"]
    (run,) = api(client, "/runs?agentId=1")
    assert run["task"] == "[]"
    options = app.extensions["opcode_context"].runs.options
    assert not options.uses_project_settings(run["session_id"])
    body = {"project_path": str(sandbox.project), "task": "[]"}
    refused = client.post("/api/agents/1/execute", json=body)
    assert refused.status_code == 409
    assert refused.get_json()["trust"]["items"]
    assert client.get("/api/agents/sessions/999/status").status_code == 404
    assert client.get("/api/agents/x").status_code == 404
