"""Sessions are resumed in their own folders, also if several share one folder name at Claude.

The sessions are made by the real CLI at the desk, before the app looks at them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.engines.files.alike import ALIKE, SCENES, Desk
from tests.support.cli.sessions import OpenSession, Session
from tests.support.clients.api import data, get, history_of
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, claude: Path) -> Iterator[Desk]:
    sandbox = Sandbox(tmp_path_factory.mktemp("desk") / "home").make()
    with MessagesApi(SCENES) as api:
        server = Server(sandbox, claude, api.url, OPCODE_ASK_AHEAD="0")
        found = Desk(sandbox, claude, api, server)
        for name in ALIKE:
            found.prompt(name)
        try:
            server.start()
            yield found
        finally:
            server.close()


def header(page: str) -> str:
    found = re.search(r'<span class="path" title="([^"]*)"', page)
    assert found
    return found[1]


def back(page: str) -> str:
    found = re.search(r'<a class="back" href="([^"]+)"', page)
    assert found
    return found[1]


def test_projects_sharing_a_folder_name_at_claude_are_listed_separately(desk: Desk) -> None:
    front = desk.page("/projects")
    listed = {each["id"]: each for each in get(desk.server, "/api/projects")}
    for name in ALIKE:
        assert f'href="/projects/{desk.project(name)}"' in front
        address = re.escape(f"/projects/{desk.project(name)}")
        assert re.search(rf'href="{address}">\s*<span[^>]*>{re.escape(name)}<', front)
        ours = listed[desk.project(name)]
        assert (ours["path"], ours["sessions"]) == (str(desk.folder(name)), [desk.made[name]])
        page = desk.page(f"/projects/{desk.project(name)}")
        assert re.findall(r'href="([^"]+/sessions/[^"#]+)', page) == [desk.address(name)]
        assert f'<p class="full-path">{desk.folder(name)}</p>' in page
        new = desk.page(f"/projects/{desk.project(name)}/new")
        assert f'name="folder" value="{desk.folder(name)}"' in new
    newer, older = (listed[desk.project(name)]["most_recent_session"] for name in reversed(ALIKE))
    assert newer >= older


def test_shared_project_name_leads_to_a_choice(desk: Desk) -> None:
    first, second = ALIKE
    bare = desk.bare(first)
    assert bare == desk.bare(second)
    page = desk.page(f"/projects/{bare}")
    assert re.findall(r'class="row" href="([^"]+)"', page) == [
        f"/projects/{desk.project(name)}" for name in reversed(ALIKE)
    ]
    assert all(f'title="{desk.folder(name)}"' in page for name in ALIKE)
    assert 'name="folder" value=""' in desk.page(f"/projects/{bare}/new")
    found = get(desk.server, f"/api/projects/{bare}/sessions")
    assert [(each["id"], each["project_id"], each["project_path"]) for each in found] == [
        (desk.made[name], desk.project(name), str(desk.folder(name))) for name in reversed(ALIKE)
    ]
    (own,) = get(desk.server, f"/api/projects/{desk.project(first)}/sessions")
    assert own["project_path"] == str(desk.folder(first))
    answer = desk.server.get(f"/api/slash-commands?project_id={bare}")
    assert (answer.status_code, "choose one" in answer.text) == (409, True)
    assert get(desk.server, f"/api/slash-commands?project_id={desk.project(first)}") == []


@pytest.mark.parametrize("name", ALIKE)
def test_every_view_of_a_session_shows_its_own_folder(desk: Desk, name: str) -> None:
    address, path = desk.address(name), str(desk.folder(name))
    page = desk.page(address)
    assert header(page) == path
    assert back(page) == f"/projects/{desk.project(name)}"
    assert f'href="{address}' in desk.page(back(page))
    assert f"`{path}`" in desk.server.get(f"{address}/export.md").text
    assert f'<p class="full-path">{path}</p>' in desk.page(f"{address}/export.html")
    lines = desk.server.get(f"{address}/export.jsonl").text.splitlines()
    assert {json.loads(line).get("cwd") for line in lines} - {None} == {path}
    qualified = f"/projects/{desk.project(name)}/sessions/{desk.made[name]}"
    assert header(desk.page(qualified)) == path
    about = data(desk.server.get(f"/api/claude/sessions/{desk.made[name]}"))
    assert (about["workingDir"], about["links"]["page"]) == (path, address)
    for project in (desk.bare(name), desk.project(name)):
        listed = history_of(desk.server, desk.made[name], project)
        assert f"made in {name}" in json.dumps(listed, ensure_ascii=False)


@pytest.mark.parametrize("name", ALIKE)
def test_only_files_of_its_own_folder_are_offered_to_a_session(desk: Desk, name: str) -> None:
    mark = f"only-in-{desk.made[name][:8]}.txt"
    (desk.folder(name) / mark).write_text("x")
    found = desk.server.get(f"{desk.address(name)}/complete", params={"q": "@only-in"}).text
    assert re.findall(r"only-in-[0-9a-f]{8}\.txt", found)[:1] == [mark]
    assert len(set(re.findall(r"only-in-[0-9a-f]{8}\.txt", found))) == 1


def test_a_prompt_from_the_phone_works_in_the_folder_of_its_session(desk: Desk) -> None:
    name = ALIKE[-1]
    session = OpenSession(desk.server, desk.address(name))
    answer = session.post("prompt", prompt="make the file", prompt_id=str(uuid.uuid4()))
    assert answer.headers["Location"] == f"{desk.address(name)}#end"
    ask = until(lambda: re.search(r"/runs/\w{32}/asks/[^\"]+", session.page()), "Claude asks")
    assert ask
    page = session.page()
    assert ("made-by-phone" in page, "Outside this project" in page) == (True, False)
    runs = desk.page("/runs")
    assert f'href="{desk.address(name)}#b-' in runs, "at the top of what it asks"
    assert f'title="{desk.folder(name)}"' in runs
    decided = desk.server.post(ask[0], {"decision": "allow"})
    assert decided.headers["Location"] == f"{desk.address(name)}#end"
    session.answered()
    assert [each for each in ALIKE if (desk.folder(each) / "made-by-phone").exists()] == [name]
    (desk.folder(name) / "made-by-phone").unlink()
    assert header(session.page()) == str(desk.folder(name))


@pytest.mark.parametrize("command", ["resume", "continue"])
def test_api_resumes_only_in_the_folder_of_the_session(desk: Desk, command: str) -> None:
    wanted = {
        "project_path": str(desk.folder(ALIKE[0])),
        "prompt": f"{command} it",
        **({"session_id": desk.made[ALIKE[0]]} if command == "resume" else {}),
    }
    started = _post(desk, command, wanted)
    assert started.status_code == 202, started.text
    assert started.json()["data"]["session_id"] == desk.made[ALIKE[0]]
    run = started.json()["data"]["run_id"]
    record = json.loads((desk.sandbox.state / "runs" / run / "run.json").read_text())
    assert record["project_path"] == str(desk.folder(ALIKE[0]))
    if command == "resume":
        wrong = {**wanted, "project_path": str(desk.folder(ALIKE[1]))}
        assert _post(desk, command, wrong).status_code == 404


def test_session_resumed_in_another_folder_stays_in_its_first_project(
    desk: Desk,
) -> None:
    desk.prompt("walks.v1")
    home = desk.made["walks.v1"]
    desk.prompt("far-away", home)
    page = desk.page(desk.address("walks.v1"))
    assert header(page) == str(desk.folder("walks.v1"))
    assert back(page) == f"/projects/{desk.bare('walks.v1')}"
    assert "made in far-away" in page


def test_session_with_an_upper_case_id_is_resumed(desk: Desk) -> None:
    desk.prompt("capitals", "", str(uuid.uuid4()).upper())
    session = OpenSession(desk.server, desk.address("capitals"))
    session.prompt("and from the phone")
    assert "You said: and from the phone" in session.page()
    assert f"/{desk.made['capitals']}/export.md" in session.page()
    small = session.address.replace(session.id, session.id.lower())
    assert "You said: and from the phone" in desk.page(small)
    files = list((desk.sandbox.config_dir / "projects" / desk.bare("capitals")).glob("*.jsonl"))
    assert [file.stem for file in files] == [desk.made["capitals"]]


def test_a_project_that_claude_keeps_behind_a_link_works_like_any_other(desk: Desk) -> None:
    elsewhere, folder = desk.sandbox.home / "dotfiles" / "sym", desk.folder("sym")
    elsewhere.mkdir(parents=True)
    folder.mkdir()
    link = desk.sandbox.config_dir / "projects" / desk.bare("sym")
    link.symlink_to(elsewhere)
    form = {name: str(uuid.uuid4()) for name in ("session_id", "prompt_id")}
    began = desk.server.post(
        "/sessions", {**form, "folder": str(folder), "prompt": "through a link"}
    )
    session = OpenSession(desk.server, began.headers["Location"])
    session.answered()
    assert session.file == history.root(desk.sandbox.config_dir) / link.name / f"{session.id}.jsonl"
    assert (elsewhere / f"{session.id}.jsonl").is_file()

    assert f'href="/projects/{link.name}"' in desk.page("/projects")
    assert back(session.page()) == f"/projects/{link.name}"
    assert f'href="{session.address}#end"' in desk.page(f"/projects/{link.name}")
    assert "through a link" in session.get("export.jsonl").text
    listed = history_of(desk.server, session.id, link.name)
    assert any(line.get("type") == "assistant" for line in listed)
    session.prompt("and again")
    assert "You said: and again" in session.page()

    assert session.post("rename", title="A name behind a link").status_code == 303
    assert "A name behind a link" in desk.page(f"/projects/{link.name}")
    forked = session.post("fork").headers["Location"]
    assert "A name behind a link (fork)" in desk.page(forked)
    (copy,) = {path.stem for path in elsewhere.glob("*.jsonl")} - {session.id}
    assert copy in forked


def test_folder_with_a_configured_name_is_found_by_its_file(
    sandbox: Sandbox, claude: Path, start_server: Callable[..., Server]
) -> None:
    with MessagesApi(SCENES) as api:
        server = start_server(
            sandbox, claude, api.url, CLAUDE_CODE_PROJECT_DIR_NAME="all-of-it", OPCODE_ASK_AHEAD="0"
        )
        session = Session(server, "where is it")
        assert session.file.parent.name == "all-of-it"
        assert (
            session.address == f"/projects/{claude_folder(sandbox.project)}/sessions/{session.id}"
        )
        found = server.get(f"/projects/all-of-it/sessions/{session.id}")
        for page in (session.page(), found.text):
            assert "You said: where is it" in page
            assert header(page) == str(sandbox.project)
            assert back(page) == "/projects/all-of-it"
        assert session.get("export.jsonl").status_code == 200
        assert get(server, f"/api/claude/sessions/{session.id}")["links"]["page"] == (
            f"/projects/all-of-it/sessions/{session.id}"
        )


def _post(desk: Desk, command: str, body: dict[str, str]) -> requests.Response:
    return requests.post(
        f"{desk.server.url}/api/sessions/{command}", json=body, auth=(USER, PASSWORD), timeout=20
    )
