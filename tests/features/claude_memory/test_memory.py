"""The memory of Claude: what the real CLI reads is listed, and only that can be written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.features.claude_memory.conftest import OWN, RULE, memory_of_claude
from tests.support.apps.local_server import files_alone
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.pages.claude_pages import form_of, links_of


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
    client: FlaskClient, sandbox: Sandbox, app: Flask, written: dict[str, Path]
) -> None:
    rows = [words.lstrip("· ") for words in listed(client, sandbox)]
    for name in written:
        assert any(row.startswith(name) for row in rows), name
    assert any(row.startswith("CLAUDE.local.md") and "Make it" in row for row in rows)
    assert not any("node_modules" in row for row in rows)
    said = memory_of_claude(app, sandbox)
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


def test_missing_file_and_rule_are_made_in_the_editor_and_read_by_the_cli(
    client: FlaskClient, sandbox: Sandbox, app: Flask, written: dict[str, Path]
) -> None:
    def save(editor: str, text: str) -> None:
        form = {**form_of(client.get(editor).text), "text": text}
        assert client.post(editor.partition("?")[0], data=form).status_code == 303

    own = sandbox.project / "CLAUDE.local.md"
    save(address_of(client, sandbox, own.name), OWN)
    form = {"folder": str(sandbox.project), "scope": "project", "name": "front/style.md"}
    with files_alone():
        made = client.post("/claude/rules", data=form)
        assert made.status_code == 303
        save(made.headers["Location"], RULE)
    rule = sandbox.project / ".claude" / "rules" / "front" / "style.md"
    assert (own.read_text(), rule.read_text()) == (OWN, RULE)
    said = memory_of_claude(app, sandbox)
    assert {str(own), str(rule)} <= {each["path"] for each in said["files"] if each["exists"]}
    assert client.post("/claude/rules", data=form).status_code == 409
    assert rule.read_text() == RULE


@pytest.mark.usefixtures("no_word_of_the_cli")
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


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_rule_that_is_a_link_out_of_the_project_is_not_followed(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path]
) -> None:
    secret = sandbox.home / "secret.txt"
    secret.write_text("a secret of the computer")
    link = sandbox.project / ".claude" / "rules" / "link.md"
    link.symlink_to(secret)
    answer = client.get(address_of(client, sandbox, ".claude/rules/link.md"))
    assert answer.status_code == 422
    assert "a secret" not in answer.text


def test_folder_of_rules_that_is_a_link_out_of_the_project_is_not_listed(
    client: FlaskClient, sandbox: Sandbox, written: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "private.md").write_text("a secret of the computer")
    rules = sandbox.project / ".claude" / "rules"
    shutil.rmtree(rules)
    rules.symlink_to(tmp_path)
    assert not any("private" in words for words in listed(client, sandbox))


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
    client: FlaskClient, sandbox: Sandbox, app: Flask, written: dict[str, Path]
) -> None:
    where = {"folder": str(sandbox.project)}
    assert "It is on in this project" in client.get("/claude/memory", query_string=where).text
    assert client.post("/claude/memory", data={**where, "automatic": "off"}).status_code == 303
    path = sandbox.project / ".claude" / "settings.local.json"
    assert json.loads(path.read_text()) == {"autoMemoryEnabled": False}
    said = memory_of_claude(app, sandbox)
    assert said["auto_memory"]["enabled"] is False
    page = client.get("/claude/memory", query_string=where).text
    assert "It is off in this project" in page
    assert "not trusted" not in page, "the person has written it"
    assert any(words.startswith("likes.md") for words in listed(client, sandbox))
    assert client.post("/claude/memory", data={**where, "automatic": "on"}).status_code == 303


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..", "", ".evil"])
def test_name_of_a_rule_is_no_path(client: FlaskClient, sandbox: Sandbox, name: str) -> None:
    answer = client.post("/claude/rules", data={"name": name})
    assert answer.status_code == 422
    assert form_of(answer.text)["name"] == name
    assert not list(sandbox.home.rglob("*evil*"))
