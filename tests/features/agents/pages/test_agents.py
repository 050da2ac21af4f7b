"""The pages of agents: made, changed, deleted, restored, passed on; nothing is lost on the way."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import asdict
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features import agents
from opcode_htmx.features.agents.pages import AgentPages
from opcode_htmx.features.agents.running.records import AgentRun
from tests.features.agents.pages.forms import FORM, api, fields
from tests.support.environment import Sandbox
from tests.support.pages.claude_pages import form_of, links_of


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
