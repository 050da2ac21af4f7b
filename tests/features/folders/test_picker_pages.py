"""The way from a prompt to the folder picker and back, by links and forms alone."""

from __future__ import annotations

import io
import re
import shutil
import uuid
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.storage.drafts import Draft, draft_name
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import Sandbox, write_stand_in

SESSION = "5e551000-0000-4000-8000-000000000002"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("picker") / "home").make()


@pytest.fixture(scope="module")
def app(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    with app_of(sandbox, claude) as app:
        yield app


@pytest.fixture
def root(app: Flask, sandbox: Sandbox) -> Path:
    """The only root, without what other tests have left there, and no draft or recent project."""
    shutil.rmtree(sandbox.project)
    sandbox.project.mkdir()
    sandbox.empty_config()
    context: AppContext = app.extensions["opcode_context"]
    context.sessions.drafts.restore(draft_name(""), Draft())
    return sandbox.project


def draft(app: Flask) -> Draft:
    context: AppContext = app.extensions["opcode_context"]
    return context.sessions.drafts.get(draft_name(""))


def links(html: str, words: str) -> list[str]:
    """The addresses of the links with these words."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return [unescape(href) for href, inner in found if words in unescape(_text(inner))]


def _text(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


def field(html: str, name: str) -> str:
    found = re.search(rf'<input [^>]*name="{name}" value="([^"]*)"', html)
    assert found, name
    return unescape(found[1])


def new(folder: str, **more: str) -> dict[str, str]:
    """The form for a new session."""
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    return {"folder": folder, "prompt": "plant a tree", **ids, **more}


def test_words_files_and_options_survive_the_way_to_the_picker_and_back(
    app: Flask, client: FlaskClient, root: Path
) -> None:
    (root / "meadow").mkdir()
    form = {
        **new(str(root), model="some-model", was_model="", permission_mode="plan"),
        "files": (io.BytesIO(b"seeds"), "seeds.txt"),
        "keep_running": "on",
        "was_keep_running": "",
    }
    answer = client.post("/new/folder", data=form)
    assert answer.status_code == 303
    picker = client.get(answer.location).text
    assert field(picker, "name") == "plant-a-tree"
    (inside,) = links(picker, "meadow")
    (back,) = links(client.get(inside).text, "Use “meadow”")
    page = client.get(back).text
    assert "plant a tree</textarea>" in page
    assert "seeds.txt" in page
    assert field(page, "folder") == str(root / "meadow")
    options = page.partition('id="options-d"')[2]
    assert options.startswith(" open")
    assert re.search(r'value="plan" selected', options)
    assert re.search(r'name="keep_running" value="on" checked', options)
    assert (draft(app).text, draft(app).folder) == ("plant a tree", str(root))


def test_no_address_chooses_a_mode_that_asks_less_or_fills_in_a_prompt(
    client: FlaskClient,
) -> None:
    for mode in ("acceptEdits", "bypassPermissions"):
        page = client.get(f"/new?permission_mode={mode}&was_permission_mode=&prompt=rm").text
        assert f'value="{mode}" selected' not in page
        assert "rm</textarea>" not in page
        answer = client.post("/new/folder", data=new("", permission_mode=mode))
        assert mode not in answer.location


def test_a_new_folder_is_made_and_chosen(client: FlaskClient, root: Path) -> None:
    form = {"in": str(root), "name": "meadow", "next": "/new?model=x"}
    answer = client.post("/folders", data=form)
    assert (answer.status_code, (root / "meadow").is_dir()) == (303, True)
    assert answer.location.startswith("/new?model=x&folder=")
    assert field(client.get(answer.location).text, "folder") == str(root / "meadow")
    (root / "meadow" / "flower").mkdir()
    again = client.post("/folders", data=form)
    assert again.status_code == 422
    assert "There is a “meadow” already" in again.text
    assert 'name="name" value="meadow"' in again.text


@pytest.mark.parametrize("inside", ["/etc", "/", "{root}/..", "{root}/none", "", "file:///etc"])
def test_no_folder_is_made_elsewhere(client: FlaskClient, root: Path, inside: str) -> None:
    before = sorted(root.parent.rglob("*"))
    answer = client.post("/folders", data={"in": inside.format(root=root), "name": "made-here"})
    assert answer.status_code == 422
    assert sorted(root.parent.rglob("*")) == before
    assert not Path("/etc/made-here").exists()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil", ""])
def test_the_picker_leads_back_to_this_server_only(
    client: FlaskClient, root: Path, elsewhere: str
) -> None:
    page = client.get("/folders", query_string={"in": str(root), "next": elsewhere}).text
    (use,) = links(page, f"Use “{root}”") or links(page, f"Use “{root.name}”") or links(page, "Use")
    assert use.startswith("/new?folder=")
    assert "evil" not in client.post("/folders", data={"next": elsewhere}).text


@pytest.mark.parametrize("name", ["new\nline", " padded ", "tr\u202eick\u200b", "x" * 90, "مشروع"])
def test_a_folder_of_any_name_is_chosen_by_links_and_started_in(
    client: FlaskClient, root: Path, name: str
) -> None:
    (root / name).mkdir()
    page = client.get("/folders", query_string={"in": str(root)}).text
    rows = [href for href in links(page, "") if "in=" in href]
    (use,) = links(client.get(rows[-1]).text, "Use “")
    chosen = field(client.get(use).text, "folder")
    answer = client.post("/sessions", data=new(chosen))
    assert answer.status_code == 303
    assert answer.location.startswith(f"/projects/{project_id(root / name)}/sessions/")


def test_a_folder_that_goes_away_between_the_list_and_the_tap_is_a_sentence(
    app: Flask, client: FlaskClient, root: Path
) -> None:
    gone = root / "meadow"
    gone.mkdir()
    (row,) = links(client.get("/folders", query_string={"in": str(root)}).text, "meadow")
    (use,) = links(client.get(row).text, "Use “meadow”")
    shutil.rmtree(gone)
    page = client.get(row)
    assert page.status_code == 200
    assert f"There is no folder “{gone}”." in page.text
    page = client.get(use)
    assert "Make it and start" in page.text
    assert field(page.text, "folder") == str(gone)


def test_a_missing_folder_is_made_when_the_person_says_so(
    app: Flask, client: FlaskClient, root: Path
) -> None:
    wanted, form = root / "a" / "b", new(f"{root}/a/b")
    refused = client.post("/sessions", data=form)
    assert (refused.status_code, wanted.exists()) == (422, False)
    assert "Make it and start" in refused.text
    assert field(refused.text, "folder") == str(wanted)
    assert (draft(app).text, draft(app).folder) == ("plant a tree", "")
    empty = client.post("/sessions", data={**form, "prompt": " ", "make": "1"})
    assert (empty.status_code, wanted.exists()) == (422, False)
    started = client.post("/sessions", data={**form, "make": "1"})
    assert (started.status_code, wanted.is_dir()) == (303, True)
    again = client.post("/sessions", data={**form, "make": "1"})
    assert again.location == started.location
    assert draft(app).text == ""


@pytest.mark.parametrize(
    "folder", ["/etc", "/no/such", "{root}/../x", "relative", "~nobody-at-all"]
)
def test_a_refused_folder_is_neither_made_nor_kept_with_the_words(
    app: Flask, client: FlaskClient, root: Path, folder: str
) -> None:
    folder = folder.format(root=root)
    before = sorted(root.parent.rglob("*"))
    answer = client.post("/sessions", data=new(folder, make="1"))
    assert answer.status_code == 422
    assert "plant a tree</textarea>" in answer.text
    assert "Choose a folder" in answer.text
    assert field(answer.text, "folder") == ""
    client.post("/new/draft", data=new(folder))
    assert (draft(app).text, draft(app).folder) == ("plant a tree", "")
    assert field(client.get("/new").text, "folder") == str(root)
    assert sorted(root.parent.rglob("*")) == before


def test_no_chosen_folder_is_no_usual_folder(client: FlaskClient, root: Path) -> None:
    """Else a second tap on Send would start in a folder that nobody has chosen."""
    for _ in range(2):
        answer = client.post("/sessions", data=new(""))
        assert answer.status_code == 422
        assert field(answer.text, "folder") == ""


def test_recent_projects_come_first_and_the_last_one_is_chosen(
    client: FlaskClient, sandbox: Sandbox, root: Path
) -> None:
    for name in ("meadow", "gone"):
        (root / name).mkdir()
        common = {"cwd": str(root / name), "sessionId": SESSION, "timestamp": api.stamp(api.NOON)}
        message = {"role": "user", "content": "Hello"}
        line = {**common, "type": "user", "uuid": name, "parentUuid": None, "message": message}
        api.session(sandbox.config_dir, root / name, api.line(line), SESSION)
    (root / "gone").rmdir()
    page = client.get("/new").text
    assert field(page, "folder") == str(root / "meadow")
    assert "folder-place" not in page
    picker = client.get("/folders", query_string={"chosen": str(root / "meadow")}).text
    recent = picker.partition("Recent projects")[2].partition("</section>")[0]
    assert len(links(recent, "meadow")) == 1
    assert "gone" not in recent


def test_the_api_lists_the_same_folders(client: FlaskClient, root: Path) -> None:
    (root / "meadow" / ".git").mkdir(parents=True)
    (root / "out").symlink_to("/etc")
    data = client.get("/api/folders").json["data"]  # type: ignore[index]
    assert [each["path"] for each in data["folders"]] == [str(root)]
    data = client.get("/api/folders", query_string={"path": str(root)}).json["data"]  # type: ignore[index]
    meadow = {"name": "meadow", "path": f"{root}/meadow", "is_git": True, "is_link": False}
    assert data["folders"] == [meadow]
    assert client.get("/api/folders?path=/etc").status_code == 422
