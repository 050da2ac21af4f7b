"""The pages of agents: made, changed, deleted, restored, passed on; nothing is lost on the way."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features import agents
from opcode_htmx.features.agents.pages import AgentPages
from opcode_htmx.features.agents.running.records import AgentRun
from opcode_htmx.runs.budgets.book import BudgetReached
from tests.support.apps.in_process import client_of
from tests.support.environment import SYSTEM_PATH, Sandbox
from tests.support.pages.claude_pages import form_of, links_of
from tests.support.plain_git import GIT

FORM = {
    "name": "Pruner",
    "icon": "shield",
    "system_prompt": "Prune the trees.\n",
    "default_task": "Prune",
    "may_read_files": "on",
    "denied_tools": "Bash(rm:*)\n\nBash(rm:*)",
    "hooks": "",
}


@pytest.fixture(scope="module")
def shared_jobs() -> bool:
    return True


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, in a state that knows of no agent."""
    shared_home.empty_config()
    for name in ("agents", "agent_versions", "agent_runs", "profiles", "schedules", "drafts"):
        for each in (shared_home.state / name).glob("*"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    (shared_home.state / "agent_numbers.json").unlink(missing_ok=True)
    return shared_home.with_own_project()


@pytest.fixture
def app(shared_app: Flask, sandbox: Sandbox) -> Flask:
    return shared_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app)


def fields(page: str) -> dict[str, str]:
    """The form of an agent's page, with only the switches that are on."""
    found = form_of(page)
    for name in ("may_read_files", "may_write_files", "may_use_network", "replaces_prompt"):
        if f'name="{name}" value="on" checked' not in page:
            found.pop(name, None)
    return found


def api(client: FlaskClient, path: str = "") -> Any:
    return client.get(f"/api/agents{path}").get_json()["data"]


def test_an_agent_is_made_changed_duplicated_and_deleted(client: FlaskClient) -> None:
    assert "No agents yet" in client.get("/agents").text
    made = client.post("/agents", data=FORM)
    assert (made.status_code, made.headers["Location"]) == (303, "/agents/1")
    page = client.get("/agents/1").text
    assert "Write, Edit, NotebookEdit" in page
    found = api(client, "/1")
    assert (found["system_prompt"], found["denied_tools"]) == ("Prune the trees.", ["Bash(rm:*)"])
    assert (found["enable_file_read"], found["enable_file_write"]) == (True, False)

    form = fields(client.get("/agents/1/edit").text)
    assert client.post("/agents/1/edit", data={**form, "name": "Gardener"}).status_code == 303
    assert "Gardener" in client.get("/agents").text
    version = next(iter(links_of(client.get("/agents/1/edit").text, "version=").values()))
    assert fields(client.get(version).text)["name"] == "Pruner"

    copied = client.post("/agents/1/duplicate")
    assert copied.headers["Location"] == "/agents/2/edit"
    assert api(client, "/2")["name"] == "Gardener (copy)"
    deleted = client.post("/agents/1/delete").headers["Location"]
    assert client.get("/agents/1").status_code == 404
    undo = f"/agents/deleted/{deleted.partition('=')[2]}/restore"
    assert client.post(undo).status_code == 303
    assert api(client, "/1")["name"] == "Gardener"
    assert client.post(undo).status_code == 404
    client.post("/agents/2/delete")
    assert client.post("/agents", data=FORM).headers["Location"] == "/agents/3", "a new number"


def test_an_agent_that_changed_meanwhile_is_not_overwritten_and_words_are_kept(
    client: FlaskClient,
) -> None:
    client.post("/agents", data=FORM)
    mine = fields(client.get("/agents/1/edit").text)
    theirs = {**mine, "system_prompt": "Water the trees."}
    assert client.post("/agents/1/edit", data=theirs).status_code == 303
    answer = client.post("/agents/1/edit", data={**mine, "system_prompt": "Plant trees."})
    assert answer.status_code == 409
    assert "Water the trees." in answer.text
    assert fields(answer.text)["system_prompt"].strip() == "Plant trees."
    assert api(client, "/1")["system_prompt"] == "Water the trees."
    assert client.post("/agents/1/edit", data=fields(answer.text)).status_code == 303
    assert api(client, "/1")["system_prompt"] == "Plant trees."
    stale = client.put(
        "/api/agents/1", json={"name": "a", "system_prompt": "b", "revision": mine["revision"]}
    )
    assert stale.status_code == 409


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "Give the agent a name"),
        ({"system_prompt": ""}, "Write the system prompt"),
        ({"allowed_tools": "bash"}, "capital letter"),
        ({"hooks": "{"}, "not valid JSON"),
        ({"hooks": '{"Stop": [1]}'}, "list “hooks”"),
        ({"closed_paths": "a)b\x07"}, "characters that cannot be seen"),
    ],
)
def test_bad_input_is_refused_and_the_words_stay(
    client: FlaskClient, changes: dict[str, str], words: str
) -> None:
    answer = client.post("/agents", data={**FORM, **changes})
    assert answer.status_code == 422
    assert words in answer.text
    assert fields(answer.text)["default_task"].strip() == "Prune"
    assert api(client) == []


def test_a_file_is_shown_before_it_is_saved(client: FlaskClient) -> None:
    hooks = json.dumps({"Stop": [{"hooks": [{"type": "command", "command": "curl evil"}]}]})
    agent = {"name": "From afar", "system_prompt": "Do\u202e it.", "hooks": hooks, "tags": ["x"]}
    content = json.dumps({"version": 1, "exported_at": "", "agent": agent}).encode()

    def upload(content: bytes, name: str) -> Any:
        return client.post("/agents/import", data={"file": (io.BytesIO(content), name)})

    shown = upload(content, "a.opcode.json")
    assert shown.status_code == 200
    for words in ("curl evil", "It brings hooks", "U+202E", "tags"):
        assert words in shown.text
    assert api(client) == []
    saved = client.post("/agents/import/save", data=form_of(shown.text))
    assert saved.headers["Location"] == "/agents/1"
    assert api(client, "/1/export")["agent"]["tags"] == ["x"]

    assert upload(b"{}", "a.json").status_code == 422
    assert upload(b"x" * 300_000, "a.json").status_code == 422
    assert client.post("/agents/import/save", data={"document": "{}"}).status_code == 422
    assert "reviewer" in upload(b"---\nname: reviewer\n---\nReview.\n", "r.md").text
    for where in ("https://evil.example/a/b", "../../etc"):
        refused = client.post("/agents/import/github", data={"from": where})
        assert refused.status_code == 422
    taken = client.post("/api/agents/import", json={"json_data": content.decode()})
    assert taken.status_code == 201
    assert client.post("/api/agents/import", json={"version": 2, "agent": agent}).status_code == 422


def test_claudes_subagents_are_imported_and_made(client: FlaskClient, sandbox: Sandbox) -> None:
    folder = sandbox.config_dir / "agents"
    folder.mkdir()
    (folder / "tidy.md").write_text("---\nname: tidy\ndescription: T\ntools: Read\n---\nTidy up.\n")
    link = links_of(client.get("/agents/import").text, "subagents/")
    shown = client.get(next(iter(link.values())))
    assert "Tidy up." in shown.text
    client.post("/agents/import/save", data=form_of(shown.text))
    assert client.get("/agents/1/export.md").text.startswith("---\nname: tidy\n")
    client.post("/agents", data=FORM)
    assert client.post("/agents/2/subagent").status_code == 303
    assert "Prune the trees." in (folder / "pruner.md").read_text()
    assert client.post("/agents/2/subagent").status_code == 409


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


def test_lists_look_only_at_the_runs_that_they_show(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = app.extensions["opcode_context"]
    parts = agents._parts(context)
    assert agents._parts(context) is parts, "what it keeps in memory is used by all"
    client.post("/agents", data=FORM)
    for number in range(12):
        made = AgentRun(
            *(0, 1 + number // 11, "Pruner", "bot", f"Task {number}.", "", "/p", "/p"),
            session_id=str(uuid.uuid4()),
            created_at=1.0,
        )
        parts.records.add(made)
    looked = list[str]()

    def address_of(_: AgentPages, record: AgentRun) -> str:
        looked.append(record.task)
        return ""

    monkeypatch.setattr(AgentPages, "_address", address_of)
    for address, expected in (
        ("/agents", range(11, 6, -1)),
        ("/agents/1", range(10, 0, -1)),
        ("/agents/runs?page=2", ()),
    ):
        assert client.get(address).status_code == 200
        assert looked == [f"Task {number}." for number in expected]
        looked.clear()


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


@pytest.mark.parametrize(
    "damage",
    [{"task": 5}, {"created_at": 1e300}, {"metrics": {"tokens": "x"}}, {"status": "lost"}],
)
def test_damaged_records_and_agents_are_left_out(
    client: FlaskClient, sandbox: Sandbox, damage: dict[str, Any]
) -> None:
    client.post("/agents", data=FORM)
    agent = sandbox.state / "agents" / "1.json"
    made = AgentRun(
        *(7, 1, "Pruner", "bot", "Prune all.", "", "/p", "/p"),
        session_id=str(uuid.uuid4()),
        created_at=1.0,
    )
    runs = sandbox.state / "agent_runs"
    runs.mkdir(exist_ok=True)
    (runs / "7.json").write_text(json.dumps(asdict(made)))
    assert "Prune all." in client.get("/agents").text
    (runs / "7.json").write_text(json.dumps({**asdict(made), **damage}))
    for address in ("/agents", "/agents/1", "/agents/runs", "/api/agents/runs"):
        answer = client.get(address)
        assert (answer.status_code, "Prune all." in answer.text) == (200, False)
    agent.write_text(agent.read_text().replace('"created_at": ', '"created_at": 1e300, "x": '))
    assert "Pruner" not in client.get("/agents").text
    assert client.get("/agents/1").status_code == 404
