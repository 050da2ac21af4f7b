"""Commands, skills and subagents: what is written here is what the real CLI lists."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.configuration.reports import INITIALIZE
from opcode_htmx.sessions.storage.drafts import draft_name
from tests.support.apps.in_process import app_of
from tests.support.apps.local_server import asked_once, files_alone, said_by_claude
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.pages.claude_pages import form_of, links_of

pytestmark = pytest.mark.timeout(120)

AWKWARD = """He said: "it's #1"
- and *more*: {yes}"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("documents") / "home").make()


@pytest.fixture(scope="module")
def app(sandbox: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(sandbox, claude) as made, asked_once(made, sandbox):
        yield made


@pytest.fixture
def folder(sandbox: Sandbox) -> str:
    return str(sandbox.project)


def make(client: FlaskClient, folder: str, kind: str, **fields: str) -> TestResponse:
    address = f"/claude/{kind}/new"
    form = form_of(client.get(address, query_string={"folder": folder}).text)
    return client.post(address, data={**form, **fields})


def save(client: FlaskClient, address: str, **fields: str) -> TestResponse:
    form = form_of(client.get(address).text)
    return client.post(address.partition("?")[0], data={**form, **fields})


def rows(client: FlaskClient, address: str, folder: str) -> dict[str, str]:
    page = client.get(address, query_string={"folder": folder})
    assert page.status_code == 200
    return links_of(page.text, "folder=")


KEPT = "\n".join(
    ["---", "# ours", "name: kept", "description: one", "tools: [Read, Grep]", "x: {a: 1}", "---"]
    + ["Be.", ""]
)


@pytest.fixture
def documents(client: FlaskClient, sandbox: Sandbox, folder: str) -> None:
    """Documents of each kind, and no others: the CLI is asked about them once for all tests."""
    for place in (sandbox.config_dir, sandbox.project / ".claude"):
        for kind in ("commands", "skills", "agents"):
            shutil.rmtree(place / kind, ignore_errors=True)
    text = {"description": AWKWARD.replace("\n", "\r\n"), "body": "Do it: $1\r\n"}
    hint, tools = {"argument-hint": "[a] [b]"}, {"allowed-tools": "Read, Bash(ls:*)"}
    reviewer = {"tools": "Read, Grep", "color": "red"}
    twice = [{"name": "twice", "scope": each, "description": each} for each in ("user", "project")]
    with files_alone():
        made = [
            make(client, folder, "commands", name="ops:deploy", **text, **hint),
            make(client, folder, "skills", name="graft", **text, **tools),
            make(client, folder, "agents", name="reviewer", **text, **reviewer),
            make(client, folder, "commands", name="mine", scope="user", body="Mine."),
            *(make(client, folder, "commands", **each) for each in twice),
            *(make(client, folder, "agents", **each) for each in twice),
        ]
    assert [each.status_code for each in made] == [303] * 8
    (sandbox.config_dir / "agents" / "kept.md").write_text(KEPT)


def test_what_is_made_here_is_listed_by_the_cli(
    client: FlaskClient, app: Flask, sandbox: Sandbox, folder: str, documents: None
) -> None:
    said: Any = said_by_claude(app, sandbox.project).answer(INITIALIZE)
    commands = {each["name"]: each for each in said["commands"]}
    line = " ".join(AWKWARD.split())
    assert commands["ops:deploy"]["description"] == f"{line} (project)"
    assert commands["ops:deploy"]["argumentHint"] == "[a] [b]"
    assert commands["mine"]["description"] == "Mine. (user)"
    assert commands["graft"]["description"] == f"{line} (project)"
    agents = {each["name"]: each for each in said["agents"]}
    assert agents["reviewer"]["description"] == AWKWARD
    listed = " ".join(
        [*rows(client, "/claude/commands", folder), *rows(client, "/claude/agents", folder)]
    )
    for name in ("/ops:deploy", "/graft", "/mine", "reviewer"):
        assert name in listed
    assert "not list it" not in listed
    assert "not trusted" not in client.get("/claude", query_string={"folder": folder}).text
    assert "/compact" in client.get("/claude/commands", query_string={"folder": folder}).text


def test_save_keeps_what_the_form_does_not_know(
    client: FlaskClient, sandbox: Sandbox, folder: str, documents: None
) -> None:
    path = sandbox.config_dir / "agents" / "kept.md"
    address = rows(client, "/claude/agents", folder)["keptone"]
    assert form_of(client.get(address).text)["tools"] == "Read, Grep"
    assert save(client, address, description="two").status_code == 303
    assert path.read_text() == KEPT.replace("one", "two")


def test_document_that_changed_meanwhile_is_not_overwritten(
    client: FlaskClient, sandbox: Sandbox, folder: str
) -> None:
    path = sandbox.config_dir / "commands" / "both.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("Before.\n")
    address = "/claude/commands/user/both"
    form = form_of(client.get(address).text)
    path.write_text("By a terminal.\n")
    for verb in ("", "/delete"):
        answer = client.post(f"{address}{verb}", data={**form, "body": "Mine."})
        assert answer.status_code == 409
        assert "By a terminal." in answer.text
        assert path.read_text() == "By a terminal.\n"
    again = form_of(client.post(address, data={**form, "body": "Mine."}).text)
    assert again["body"] == "Mine."
    assert client.post(address, data=again).status_code == 303
    assert path.read_text() == "Mine."


@pytest.mark.parametrize("kind", ["commands", "skills", "agents"])
@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..:evil", "a/b", "", "x\u202ey"])
def test_desktop_finding_names_were_not_validated(
    client: FlaskClient, sandbox: Sandbox, folder: str, kind: str, name: str
) -> None:
    """The words are kept, and nothing is written anywhere."""
    before = sorted(sandbox.home.rglob("*evil*"))
    answer = make(client, folder, kind, name=name, description="my words", body="my text")
    assert answer.status_code == 422
    kept = form_of(answer.text)
    assert (kept["name"], kept["description"], kept["body"]) == (name, "my words", "my text")
    assert sorted(sandbox.home.rglob("*evil*")) == before


@pytest.mark.parametrize("verb", ["", "/delete", "/try"])
def test_desktop_finding_an_address_cannot_name_a_file(
    client: FlaskClient, sandbox: Sandbox, verb: str
) -> None:
    secret = sandbox.home / "secret.md"
    secret.write_text("secret")
    for name in ("..:..:secret", "..%2F..%2Fsecret", str(secret).replace("/", ":")):
        address = f"/claude/commands/user/{name}"
        assert client.get(address).status_code == 404
        assert client.post(f"{address}{verb}", data={"body": "x"}).status_code == 404
    assert secret.read_text() == "secret"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_name_that_is_taken_is_refused(client: FlaskClient, folder: str) -> None:
    assert make(client, folder, "commands", name="taken", body="One.").status_code == 303
    answer = make(client, folder, "commands", name="taken", body="Two.")
    assert answer.status_code == 409
    assert "already" in answer.text
    assert form_of(answer.text)["body"] == "Two."


def test_skill_and_subagent_need_a_description(client: FlaskClient, folder: str) -> None:
    for kind in ("skills", "agents"):
        answer = make(client, folder, kind, name="plain", body="Text.")
        assert answer.status_code == 422
        assert "description" in answer.text


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize("kind", ["commands", "skills", "agents"])
def test_deleted_document_is_put_back_by_undo(
    client: FlaskClient, sandbox: Sandbox, folder: str, kind: str
) -> None:
    assert make(client, folder, kind, name="gone", description="x", body="Text.").status_code == 303
    (path,) = (p for p in sandbox.project.rglob("*.md") if "gone" in str(p) and kind in p.parts)
    before, address = path.read_bytes(), f"/claude/{kind}/project/gone"
    form = form_of(client.get(address, query_string={"folder": folder}).text)
    answer = client.post(f"{address}/delete", data=form)
    notice = answer.headers["Set-Cookie"].partition(";")[0]
    listed = client.get(answer.headers["Location"], headers={"Cookie": notice})
    assert not path.exists()
    assert not (kind == "skills" and path.parent.exists())
    undo = next(
        each.attributes.get("action") or ""
        for each in dom.parse(listed.text).walk()
        if each.tag == "form" and "/deleted/" in (each.attributes.get("action") or "")
    )
    back = client.post(undo, data=form_of(listed.text))
    assert back.status_code == 303
    assert back.headers["Location"].startswith("/claude/")
    assert path.read_bytes() == before
    assert client.post(undo).status_code == 422


def test_try_puts_the_name_before_the_draft_of_a_new_session(
    app: Flask, client: FlaskClient, folder: str
) -> None:
    context: AppContext = app.extensions["opcode_context"]
    drafts = context.sessions.drafts
    drafts.save_text(draft_name(""), "my words")
    assert make(client, folder, "commands", name="tried", body="Text.").status_code == 303
    address = "/claude/commands/project/tried/try"
    for _ in range(2):
        answer = client.post(address, data={"folder": folder})
        assert answer.headers["Location"].startswith("/new?folder=")
        assert drafts.get(draft_name("")).text == "/tried my words"
    assert drafts.get(draft_name("")).folder == folder


def test_document_that_another_one_hides_says_so(
    client: FlaskClient, folder: str, documents: None
) -> None:
    commands = rows(client, "/claude/commands", folder)
    assert "/twiceThe one of the user with this name is used. project" in commands
    agents = rows(client, "/claude/agents", folder)
    assert "twiceThe one of the project with this name is used. user" in agents


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_text_of_a_document_has_its_versions_in_the_editor(
    client: FlaskClient, folder: str
) -> None:
    assert make(client, folder, "commands", name="text", body="One.").status_code == 303
    address = f"/claude/files/commands.project.text?folder={folder}"
    assert form_of(client.get(address).text)["text"] == "One.\n"
    assert save(client, address, text="---\nmodel: opus\n---\nTwo.\n").status_code == 303
    page = f"/claude/commands/project/text?folder={folder}"
    assert form_of(client.get(page).text)["model"] == "opus"
    assert links_of(client.get(address).text, "/versions/")


# --- the API --------------------------------------------------------------------------------

SUBAGENTS = "/api/subagents"


def test_api_makes_changes_and_deletes_a_subagent_that_the_cli_lists(
    client: FlaskClient, app: Flask, sandbox: Sandbox, folder: str
) -> None:
    where = {"project_path": folder}
    body = {"name": "pruner", "scope": "project", "description": AWKWARD, "prompt": "Prune.\n"}
    tools = {"tools": ["Read", "Bash(ls:*, git log:*)"], "color": "green"}
    with files_alone():
        answer = client.post(SUBAGENTS, json={**body, **tools, **where})
        assert answer.status_code == 201
        made = answer.get_json()["data"]
        assert (made["id"], made["description"]) == ("project-pruner", AWKWARD)
        assert (made["tools"], made["color"], made["prompt"]) == (*tools.values(), "Prune.\n")
        one = f"{SUBAGENTS}/{made['id']}"
        changed = {"description": "Prunes trees.", "revision": made["revision"], **where}
        assert client.put(one, json=changed).get_json()["data"]["tools"] == tools["tools"]
    said: Any = said_by_claude(app, sandbox.project).answer(INITIALIZE)
    agents = {each["name"]: each["description"] for each in said["agents"]}
    assert agents["pruner"] == "Prunes trees."
    rows = client.get(SUBAGENTS, query_string=where).get_json()["data"]
    found = {each["name"]: each for each in rows}
    assert (found["pruner"]["source"], found["pruner"]["unused"]) == ("project", None)
    assert (found["Explore"]["source"], found["Explore"]["id"]) == ("built in", None)
    assert client.put(one, json=changed).status_code == 409
    assert client.post(SUBAGENTS, json={**body, **where}).status_code == 409
    path = Path(made["file_path"])
    text = path.read_text()
    assert "color: green" in text
    deleted = client.delete(one, query_string=where).get_json()["data"]
    assert not path.exists()
    assert client.get(one, query_string=where).status_code == 404
    assert client.post(f"/api/settings/deleted-files/{deleted}").status_code == 200
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "../../evil"}, "A name has"),
        ({"description": ""}, "a description"),
        ({"color": "mauve"}, "one of the colors"),
        ({"scope": "project"}, "needs a project"),
    ],
)
def test_api_refuses_a_subagent_that_claude_would_not_use(
    client: FlaskClient, sandbox: Sandbox, change: dict[str, str], reason: str
) -> None:
    body = {"name": "evil", "description": "Bad.", "prompt": "x", **change}
    answer = client.post(SUBAGENTS, json=body)
    assert answer.status_code == 422
    assert reason in answer.get_json()["error"]
    assert not list(sandbox.home.rglob("*evil*"))
    assert client.get(f"{SUBAGENTS}/user-..:..:evil").status_code == 404
