"""The memory of Claude: what the real CLI reads is listed, and only that can be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.support.apps.in_process import app_of, client_of
from tests.support.apps.local_server import asked_once
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.pages.claude_pages import asked_of_claude, form_of, links_of

pytestmark = pytest.mark.timeout(120)

MALICIOUS = "# Note\n\n<script>alert(1)</script>\n\n**bold** [x](javascript:alert(1))\n"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("memory") / "home").make()


@pytest.fixture(scope="module")
def app(sandbox: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(sandbox, claude) as made, asked_once(made, sandbox):
        yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app)


@pytest.fixture
def notes(sandbox: Sandbox) -> Path:
    return sandbox.config_dir / "projects" / claude_folder(sandbox.project.resolve()) / "memory"


@pytest.fixture
def written(sandbox: Sandbox, notes: Path) -> dict[str, Path]:
    """Files of each kind, by the words with which their row begins."""
    project, user = sandbox.project, sandbox.config_dir
    files = {
        "CLAUDE.md": (project / "CLAUDE.md", "See @docs/style.md for it.\n"),
        "docs/style.md": (project / "docs" / "style.md", "Short.\n"),
        ".claude/CLAUDE.md": (project / ".claude" / "CLAUDE.md", "Inner.\n"),
        ".claude/rules/a.md": (project / ".claude" / "rules" / "a.md", "Rule.\n"),
        ".claude/rules/deep/b.md": (
            project / ".claude" / "rules" / "deep" / "b.md",
            "---\npaths: src/**\n---\nFor some files.\n",
        ),
        "rules/u.md": (user / "rules" / "u.md", "User's rule.\n"),
        "sub/CLAUDE.md": (project / "sub" / "CLAUDE.md", "Sub.\n"),
        str(project.parent / "CLAUDE.md"): (project.parent / "CLAUDE.md", "Above.\n"),
        "MEMORY.md": (notes / "MEMORY.md", "- [likes](likes.md)\n"),
        "likes.md": (notes / "likes.md", f"---\ndescription: Short answers\n---\n{MALICIOUS}"),
    }
    for path, text in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    skipped = project / "node_modules" / "x" / "CLAUDE.md"
    skipped.parent.mkdir(parents=True, exist_ok=True)
    skipped.write_text("Of a package.\n")
    return {name: path for name, (path, _) in files.items()}


def listed(client: FlaskClient, sandbox: Sandbox) -> dict[str, str]:
    page = client.get("/claude/memory", query_string={"folder": str(sandbox.project)})
    assert page.status_code == 200
    return {
        words: address
        for words, address in links_of(page.text, "memory").items()
        if "/claude/memory/" in address or "/claude/files/" in address
    }


def address_of(client: FlaskClient, sandbox: Sandbox, title: str) -> str:
    rows = listed(client, sandbox)
    return next(address for words, address in rows.items() if words.lstrip("· ").startswith(title))


def test_every_file_that_the_cli_reads_is_listed(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    rows = [words.lstrip("· ") for words in listed(client, sandbox)]
    for name in written:
        assert any(row.startswith(name) for row in rows), name
    assert any(row.startswith("CLAUDE.local.md") and "Make it" in row for row in rows)
    assert not any("node_modules" in row for row in rows)
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    read = [each["path"] for each in said["files"] if each["exists"]]
    read += [each["path"] for each in said["memories"]]
    ours = {str(path) for path in written.values()}
    assert ours >= set(read) - {str(sandbox.config_dir / "CLAUDE.md")}
    assert str(written["docs/style.md"]) in read


def test_text_is_shown_as_safe_markdown(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    html = client.get(address_of(client, sandbox, "likes.md")).text
    assert "<strong>bold</strong>" in html
    assert "<script>alert" not in html
    assert 'href="javascript' not in html
    assert "description: Short answers" in dom.parse(html).text


def test_missing_file_is_made_in_the_editor_and_read_by_the_cli(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    path = sandbox.project / "CLAUDE.local.md"
    path.unlink(missing_ok=True)
    address = address_of(client, sandbox, "CLAUDE.local.md")
    form = form_of(client.get(address).text)
    saved = client.post(address.partition("?")[0], data={**form, "text": "Mine.\n"})
    assert saved.status_code == 303
    assert path.read_text() == "Mine.\n"
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    assert str(path) in [each["path"] for each in said["files"] if each["exists"]]


def test_imported_file_is_edited_under_the_name_of_its_row(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    page = client.get(address_of(client, sandbox, "docs/style.md")).text
    (edit,) = links_of(page, "/claude/files/").values()
    form = form_of(client.get(edit).text)
    assert form["text"] == "Short.\n"
    written["docs/style.md"].write_text("By a terminal.\n")
    address = edit.partition("?")[0]
    answer = client.post(address, data={**form, "text": "Mine.\n"})
    assert answer.status_code == 409
    assert "By a terminal." in answer.text
    assert client.post(address, data=form_of(answer.text)).status_code == 303
    assert written["docs/style.md"].read_text() == "Mine.\n"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "%2Fetc%2Fpasswd", "..%2F..%2Fsecret", "memory-0000000000000000"]
)
def test_desktop_finding_any_absolute_path_was_read_and_written(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path], name: str
) -> None:
    """A name that the list does not have is no file, for the pages and for the editor."""
    where = {"folder": str(sandbox.project)}
    assert client.get(f"/claude/memory/{name}", query_string=where).status_code == 404
    assert client.post(f"/claude/memory/{name}/delete", data=where).status_code == 404
    for each in (name, f"memory-{name}"):
        assert client.get(f"/claude/files/{each}", query_string=where).status_code == 404
        form = {**where, "text": "x"}
        assert client.post(f"/claude/files/{each}", data=form).status_code == 404


def test_rule_that_is_a_link_out_of_the_project_is_not_followed(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    secret = sandbox.home / "secret.txt"
    secret.write_text("a secret of the computer")
    link = sandbox.project / ".claude" / "rules" / "link.md"
    link.symlink_to(secret)
    try:
        answer = client.get(address_of(client, sandbox, ".claude/rules/link.md"))
        assert answer.status_code == 422
        assert "a secret" not in answer.text
    finally:
        link.unlink()


def test_folder_of_rules_that_is_a_link_out_of_the_project_is_not_listed(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "private.md").write_text("a secret of the computer")
    rules = sandbox.project / ".claude" / "rules"
    kept = rules.rename(rules.with_name("kept"))
    rules.symlink_to(tmp_path)
    try:
        assert not any("private" in words for words in listed(client, sandbox))
    finally:
        rules.unlink()
        kept.rename(rules)


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_note_is_deleted_and_put_back_by_undo(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    note, address = written["likes.md"], address_of(client, sandbox, "likes.md")
    before, form = note.read_bytes(), form_of(client.get(address).text)
    verb = f"{address.partition('?')[0]}/delete"
    note.write_text("Changed by Claude.\n")
    assert client.post(verb, data=form).status_code == 409
    assert note.read_text() == "Changed by Claude.\n"
    note.write_bytes(before)
    answer = client.post(verb, data=form)
    assert answer.status_code == 303
    assert not note.exists()
    notice = answer.headers["Set-Cookie"].partition(";")[0]
    page = client.get(answer.headers["Location"], headers={"Cookie": notice}).text
    undo = next(
        each.attributes.get("action") or ""
        for each in dom.parse(page).walk()
        if each.tag == "form" and "/deleted/" in (each.attributes.get("action") or "")
    )
    assert client.post(undo).status_code == 303
    assert note.read_bytes() == before


def test_instructions_of_the_project_are_not_deleted_by_a_tap(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    form = form_of(client.get(address_of(client, sandbox, "docs/style.md")).text)
    name = address_of(client, sandbox, "docs/style.md").partition("?")[0]
    assert client.post(f"{name}/delete", data=form).status_code == 404
    assert written["docs/style.md"].exists()


def test_automatic_memory_is_switched_off_as_the_cli_reads_it(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    where = {"folder": str(sandbox.project)}
    assert "It is on in this project" in client.get("/claude/memory", query_string=where).text
    assert client.post("/claude/memory", data={**where, "automatic": "off"}).status_code == 303
    path = sandbox.project / ".claude" / "settings.local.json"
    assert json.loads(path.read_text()) == {"autoMemoryEnabled": False}
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    assert said["auto_memory"]["enabled"] is False
    page = client.get("/claude/memory", query_string=where).text
    assert "It is off in this project" in page
    assert "not trusted" not in page, "the person has written it"
    assert any(words.startswith("likes.md") for words in listed(client, sandbox))
    assert client.post("/claude/memory", data={**where, "automatic": "on"}).status_code == 303
    path.unlink()


def test_rule_is_made_where_the_cli_reads_it(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    form = {"folder": str(sandbox.project), "scope": "project", "name": "front/style.md"}
    made = client.post("/claude/rules", data=form)
    assert made.status_code == 303
    editor = made.headers["Location"]
    text = {**form_of(client.get(editor).text), "text": "Be short.\n"}
    assert client.post(editor.partition("?")[0], data=text).status_code == 303
    path = sandbox.project / ".claude" / "rules" / "front" / "style.md"
    assert path.read_text() == "Be short.\n"
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    assert str(path) in [each["path"] for each in said["files"]]
    assert client.post("/claude/rules", data=form).status_code == 409
    assert path.read_text() == "Be short.\n"


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..", "", ".evil"])
def test_name_of_a_rule_is_no_path(client: FlaskClient, sandbox: Sandbox, name: str) -> None:
    answer = client.post("/claude/rules", data={"name": name})
    assert answer.status_code == 422
    assert form_of(answer.text)["name"] == name
    assert not list(sandbox.home.rglob("*evil*"))


# --- the API --------------------------------------------------------------------------------


def called(
    client: FlaskClient, method: str, path: str, status: int = 200, **arguments: Any
) -> dict[str, Any]:
    """The answer to a request of a program; `json` is its body, `query_string` its query."""
    answer = client.open(f"/api{path}", method=method, **arguments)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_api_lists_what_the_cli_reads(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    where = {"project_path": str(sandbox.project)}
    found = called(client, "GET", "/memory", query_string=where)["data"]
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    read = {each["path"] for each in said["files"] if each["exists"]}
    assert {each["path"] for each in found["files"] if each["size"] is not None} >= read
    notes = {each["path"] for each in found["notes"]}
    assert notes == {each["path"] for each in said["memories"]}
    assert (found["automatic"], found["is_trusted"]) == (True, True)
    (imported,) = [each for each in found["files"] if each["title"] == "docs/style.md"]
    assert (imported["kind"], imported["depth"], imported["is_deletable"]) == ("import", 1, False)
    of_desktop = called(client, "GET", "/claude-md", query_string=where)["data"]
    assert {each["absolute_path"] for each in of_desktop} >= read
    inner = next(each for each in of_desktop if each["relative_path"] == "sub/CLAUDE.md")
    assert inner["size"] == len("Sub.\n")


def test_api_saves_over_no_text_that_it_has_not_seen(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    where = {"project_path": str(sandbox.project)}
    path = "/memory/memory-project"
    found = called(client, "GET", path, query_string=where)["data"]
    body = {"text": "Mine.\n", "revision": found["revision"], **where}
    written["CLAUDE.md"].write_text("By a terminal.\n")
    refused = called(client, "PUT", path, 409, json=body)
    assert refused["sent"] == "Mine.\n"
    assert refused["current"]["text"] == "By a terminal.\n"
    assert written["CLAUDE.md"].read_text() == "By a terminal.\n"
    body["revision"] = refused["current"]["revision"]
    assert called(client, "PUT", path, json=body)["data"]["text"] == "Mine.\n"
    assert written["CLAUDE.md"].read_text() == "Mine.\n"


def test_api_reads_and_writes_by_path_as_the_desktop_does_but_only_files_of_the_memory(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    where = {"project_path": str(sandbox.project)}
    named = {**where, "file_path": str(written["sub/CLAUDE.md"])}
    assert called(client, "GET", "/claude-md/read", query_string=named)["data"] == "Sub.\n"
    called(client, "PUT", "/claude-md/save", json={**named, "content": "Sub two.\n"})
    assert written["sub/CLAUDE.md"].read_text() == "Sub two.\n"
    secret = sandbox.project / "secret.md"
    secret.write_text("secret")
    escaped = written["sub/CLAUDE.md"].parent / ".." / "secret.md"
    for path in ("/etc/passwd", str(secret), str(escaped), "secret.md", ""):
        other = {**where, "file_path": path}
        called(client, "GET", "/claude-md/read", 404, query_string=other)
        called(client, "PUT", "/claude-md/save", 404, json={**other, "content": "x"})
    assert secret.read_text() == "secret"


def test_api_makes_a_rule_and_deletes_it_so_that_it_can_be_put_back(
    client: FlaskClient, sandbox: Sandbox, claude: Path, written: dict[str, Path]
) -> None:
    body = {"name": "api/tests", "scope": "project", "project_path": str(sandbox.project)}
    made = called(client, "POST", "/memory-rules", 201, json=body)["data"]
    where = {"project_path": str(sandbox.project)}
    text = {"text": "Test it.\n", "revision": made["revision"], **where}
    called(client, "PUT", f"/memory/{made['name']}", json=text)
    path = sandbox.project / ".claude" / "rules" / "api" / "tests.md"
    assert path.read_text() == "Test it.\n"
    said = asked_of_claude(claude, sandbox, "initialize", "get_memory_dialog")["get_memory_dialog"]
    assert str(path) in [each["path"] for each in said["files"]]
    called(client, "POST", "/memory-rules", 409, json=body)
    for wrong in ({"name": "../x"}, {"name": "x", "scope": "project"}):
        called(client, "POST", "/memory-rules", 422, json=wrong)
    one = f"/memory/{made['name']}"
    stale = {**where, "revision": made["revision"]}
    called(client, "DELETE", one, 409, query_string=stale)
    deleted = called(client, "DELETE", one, query_string=where)["data"]
    assert not path.exists()
    called(client, "POST", f"/settings/deleted-files/{deleted}")
    assert path.read_text() == "Test it.\n"
    called(client, "DELETE", "/memory/memory-project", 404, query_string=where)
    assert written["CLAUDE.md"].exists()


def test_api_switches_automatic_memory(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    where = {"project_path": str(sandbox.project)}
    off = called(client, "PUT", "/memory", json={**where, "enabled": False})["data"]
    assert off["automatic"] is False
    path = sandbox.project / ".claude" / "settings.local.json"
    assert json.loads(path.read_text()) == {"autoMemoryEnabled": False}
    assert called(client, "PUT", "/memory", json={**where, "enabled": True})["data"]["automatic"]
    path.unlink()
