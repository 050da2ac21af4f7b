"""The memory of Claude at the API: listed, saved, made and deleted like on the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.features.claude_memory.conftest import OWN, RULE, memory_of_claude
from tests.support.apps.local_server import files_alone
from tests.support.environment import Sandbox


def called(
    client: FlaskClient, method: str, path: str, status: int = 200, **arguments: Any
) -> dict[str, Any]:
    """The answer to a request of a program; `json` is its body, `query_string` its query."""
    answer = client.open(f"/api{path}", method=method, **arguments)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_api_lists_what_the_cli_reads(
    client: FlaskClient, sandbox: Sandbox, app: Flask, written: dict[str, Path]
) -> None:
    where = {"project_path": str(sandbox.project)}
    found = called(client, "GET", "/memory", query_string=where)["data"]
    said = memory_of_claude(app, sandbox)
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


@pytest.mark.usefixtures("no_word_of_the_cli")
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


@pytest.mark.usefixtures("no_word_of_the_cli")
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
    client: FlaskClient, sandbox: Sandbox, app: Flask, written: dict[str, Path]
) -> None:
    # as in test_memory.py
    (sandbox.project / "CLAUDE.local.md").write_text(OWN)
    body = {"name": "front/style", "scope": "project", "project_path": str(sandbox.project)}
    with files_alone():
        made = called(client, "POST", "/memory-rules", 201, json=body)["data"]
        where = {"project_path": str(sandbox.project)}
        text = {"text": RULE, "revision": made["revision"], **where}
        called(client, "PUT", f"/memory/{made['name']}", json=text)
    path = sandbox.project / ".claude" / "rules" / "front" / "style.md"
    assert path.read_text() == RULE
    said = memory_of_claude(app, sandbox)
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
    assert path.read_text() == RULE
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
    with files_alone():
        called(client, "PUT", "/memory", json={**where, "enabled": True})
    assert json.loads(path.read_text()).get("autoMemoryEnabled", True) is True
