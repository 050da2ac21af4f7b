"""The files that configure Claude, edited as text: nobody's words are lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.lib.files.versioned_files import Place, VersionedFiles
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import ROOT, Sandbox, write_stand_in
from tests.support.pages import dom

SECRET = {"env": {"API_TOKEN": "t0p-secret"}, "model": "opus"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Sandbox]]:
    folder = tmp_path_factory.mktemp("files")
    sandbox = Sandbox(folder / "home").make()
    with app_of(sandbox, write_stand_in(folder / "claude")) as made:
        yield made, sandbox


@pytest.fixture
def client(app: tuple[Flask, Sandbox]) -> FlaskClient:
    return client_of(app[0])


@pytest.fixture
def sandbox(app: tuple[Flask, Sandbox]) -> Sandbox:
    return app[1]


@pytest.fixture
def settings(sandbox: Sandbox) -> Path:
    path = sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(SECRET, indent=2) + "\n")
    return path


def fields(html: str) -> dict[str, str]:
    """The hidden fields of the form, and the words in its text field."""
    page = dom.parse(html)
    found = {
        str(each.attributes["name"]): each.attributes.get("value") or ""
        for each in page.walk()
        if each.tag == "input" and each.attributes.get("name") in ("folder", "revision")
    }
    text = page.find("file-text")
    return {**found, "text": text.text.removeprefix("\n")} if text else found


def test_secrets_are_hidden_in_the_text_and_kept_by_a_save(
    client: FlaskClient, settings: Path
) -> None:
    shown = fields(client.get("/claude/files/settings-user").text)
    assert "t0p-secret" not in shown["text"]
    shown["text"] = shown["text"].replace("opus", "sonnet").replace("\n", "\r\n")
    assert client.post("/claude/files/settings-user", data=shown).status_code == 303
    assert settings.read_text() == json.dumps(SECRET, indent=2).replace("opus", "sonnet") + "\n"


def test_file_that_changed_meanwhile_is_shown_beside_the_words_and_not_overwritten(
    client: FlaskClient, settings: Path
) -> None:
    shown = fields(client.get("/claude/files/settings-user").text)
    settings.write_text('{"model": "by a terminal"}')
    mine = {**shown, "text": '{"model": "mine"}'}
    answer = client.post("/claude/files/settings-user", data=mine)
    assert answer.status_code == 409
    assert "by a terminal" in answer.text
    assert settings.read_text() == '{"model": "by a terminal"}'
    again = fields(answer.text)
    assert again["text"] == '{"model": "mine"}'
    assert client.post("/claude/files/settings-user", data=again).status_code == 303
    assert settings.read_text() == '{"model": "mine"}'


def test_secret_is_hidden_in_the_text_of_a_conflict_too(
    client: FlaskClient, settings: Path
) -> None:
    shown = fields(client.get("/claude/files/settings-user").text)
    settings.write_text(json.dumps({**SECRET, "language": "Suomi"}))
    answer = client.post("/claude/files/settings-user", data={**shown, "text": "{}"})
    assert answer.status_code == 409
    assert "Suomi" in answer.text
    assert "t0p-secret" not in answer.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"model": "opus",}', "line 1, column"),
        ("[]", "It must be an object"),
        ('{"env": {"OTHER": "********"}}', "env.OTHER: there is none yet"),
    ],
)
def test_text_that_is_no_settings_file_is_refused_and_stays_in_the_form(
    client: FlaskClient, settings: Path, text: str, reason: str
) -> None:
    shown = fields(client.get("/claude/files/settings-user").text)
    before = settings.read_text()
    answer = client.post("/claude/files/settings-user", data={**shown, "text": text})
    assert answer.status_code == 422
    assert reason in dom.parse(answer.text).text
    assert fields(answer.text)["text"] == text
    assert settings.read_text() == before


def test_earlier_version_is_shown_without_its_secrets_and_put_back_with_them(
    client: FlaskClient, settings: Path
) -> None:
    shown = fields(client.get("/claude/files/settings-user").text)
    client.post("/claude/files/settings-user", data={**shown, "text": "{}"})
    page = client.get("/claude/files/settings-user").text
    links = [e.attributes.get("href") or "" for e in dom.parse(page).walk()]
    newest = next(each for each in links if "/versions/" in each)
    version = client.get(newest).text
    assert "opus" in version
    assert "t0p-secret" not in version
    assert client.post(newest, data=fields(version)).status_code == 303
    assert json.loads(settings.read_text()) == SECRET


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "%2Fetc%2Fpasswd", "settings-managed", "memory-project"]
)
def test_desktop_finding_any_absolute_path_was_read_and_written(
    client: FlaskClient, name: str
) -> None:
    """The files have names here; one of a project needs the project."""
    assert client.get(f"/claude/files/{name}").status_code == 404
    assert client.post(f"/claude/files/{name}", data={"text": "x"}).status_code == 404


def test_claude_md_that_is_a_link_out_of_the_project_is_not_followed(
    client: FlaskClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("a secret of the computer")
    link = sandbox.project / "CLAUDE.md"
    link.symlink_to(outside)
    try:
        where = {"folder": str(sandbox.project)}
        answer = client.get("/claude/files/memory-project", query_string=where)
        assert answer.status_code == 422
        assert "leads out of" in answer.text
        assert "a secret" not in answer.text
        saved = client.post("/claude/files/memory-project", data={**where, "text": "x"})
        assert saved.status_code == 422
        assert outside.read_text() == "a secret of the computer"
    finally:
        link.unlink()


def test_line_ends_of_a_file_from_windows_stay(client: FlaskClient, sandbox: Sandbox) -> None:
    path = sandbox.config_dir / "CLAUDE.md"
    path.write_bytes(b"one\r\ntwo\r\n")
    shown = fields(client.get("/claude/files/memory-user").text)
    text = "one\r\nthree\r\n"
    assert client.post("/claude/files/memory-user", data={**shown, "text": text}).status_code == 303
    assert path.read_bytes() == b"one\r\nthree\r\n"


# --- the API --------------------------------------------------------------------------------

API = "/api/settings/files"


def test_api_hides_secrets_and_a_save_keeps_them(client: FlaskClient, settings: Path) -> None:
    answer = client.get(f"{API}/settings-user")
    assert "t0p-secret" not in answer.text
    found = answer.get_json()["data"]
    body = {"text": found["text"].replace("opus", "sonnet"), "revision": found["revision"]}
    saved = client.put(f"{API}/settings-user", json=body)
    assert saved.status_code == 200
    assert "t0p-secret" not in saved.text
    assert settings.read_text() == json.dumps(SECRET, indent=2).replace("opus", "sonnet") + "\n"


def test_api_saves_over_no_text_that_it_has_not_seen(client: FlaskClient, settings: Path) -> None:
    body = {"text": '{"model": "mine"}'}
    body["revision"] = client.get(f"{API}/settings-user").get_json()["data"]["revision"]
    settings.write_text(json.dumps({**SECRET, "language": "Suomi"}))
    answer = client.put(f"{API}/settings-user", json=body)
    assert answer.status_code == 409
    assert "t0p-secret" not in answer.text
    refused = answer.get_json()
    assert refused["sent"] == body["text"]
    assert "Suomi" in refused["current"]["text"]
    body["revision"] = refused["current"]["revision"]
    assert client.put(f"{API}/settings-user", json=body).status_code == 200
    assert settings.read_text() == body["text"]


def test_api_refuses_what_is_no_settings_file_with_a_sentence(
    client: FlaskClient, settings: Path
) -> None:
    before = settings.read_text()
    for text in ('{"model": "opus",}', '{"env": {"OTHER": "********"}}'):
        answer = client.put(f"{API}/settings-user", json={"text": text})
        assert answer.status_code == 422
        assert answer.get_json()["error"].endswith(".")
    assert settings.read_text() == before


def test_api_puts_a_version_back_with_its_secrets(client: FlaskClient, settings: Path) -> None:
    first = client.get(f"{API}/settings-user").get_json()["data"]
    body = {"text": "{}", "revision": first["revision"]}
    changed = client.put(f"{API}/settings-user", json=body).get_json()["data"]
    version = f"{API}/settings-user/versions/{changed['versions'][0]['id']}"
    shown = client.get(version)
    assert "t0p-secret" not in shown.text
    assert "opus" in shown.get_json()["data"]["text"]
    stale = client.post(version, json={"revision": first["revision"]})
    assert stale.status_code == 409
    assert "t0p-secret" not in stale.text
    restored = client.post(version, json={"revision": changed["revision"]})
    assert restored.status_code == 200
    assert "t0p-secret" not in restored.text
    assert json.loads(settings.read_text()) == SECRET
    assert client.get(f"{API}/settings-user/versions/1-{'0' * 16}").status_code == 404


def test_api_lists_the_files_of_a_project_and_reads_no_other(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    where = {"project_path": str(sandbox.project)}
    listed = client.get(API, query_string=where).get_json()["data"]["files"]
    names = [each["name"] for each in listed]
    assert {"settings-user", "settings-project", "settings-local", "mcp-project"} <= set(names)
    for name in ("settings-managed", "memory-project", "%2Fetc%2Fpasswd"):
        assert client.get(f"{API}/{name}").status_code == 404
        assert client.put(f"{API}/{name}", json={"text": "x"}).status_code == 404


SAVES = """
import sys
from pathlib import Path
from opcode_htmx.lib.files.versioned_files import Place, VersionedFiles
files, place = VersionedFiles(Path(sys.argv[1])), Place(Path(sys.argv[2]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    text = str(number % 10) * 200_000
    files.save(place, text, files.read(place).revision)
"""


def test_server_that_is_killed_in_mid_save_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    store, path = tmp_path / "versions", tmp_path / "settings.json"
    path.write_text("0" * 200_000)
    for number in range(6):
        command = [sys.executable, "-c", SAVES, str(store), str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            before = path.stat().st_ino
            while path.stat().st_ino == before:  # it is saving
                time.sleep(0.001)
            time.sleep(0.0007 * number)  # another moment of a save each time
            os.kill(child.pid, signal.SIGKILL)
        text = path.read_text()
        assert text == text[0] * 200_000
        files = VersionedFiles(store)
        files.save(Place(path), "0" * 200_000, files.read(Place(path)).revision)
