"""The settings of Claude: what is in force in the CLI's own words, and single ones changed."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps.local_server import Answer, LocalServer, files_alone, local_server
from tests.support.environment import Sandbox, find_claude
from tests.support.pages import dom

pytestmark = pytest.mark.timeout(120)

USER = {
    "model": "sonnet",
    "env": {"API_TOKEN": "t0p-secret", "LANG": "de"},
    "unknownToAll": {"kept": [1, 2.5]},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[LocalServer]:
    """The app with the real CLI, which is asked what is in force."""
    sandbox = Sandbox(tmp_path_factory.mktemp("settings") / "home").make()
    claude = find_claude()
    assert claude is not None
    with local_server(sandbox, claude) as server:
        yield server


@pytest.fixture
def user_file(server: LocalServer) -> Path:
    path = server.sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(USER, indent=4) + "\n")
    return path


@pytest.fixture
def project(server: LocalServer) -> Iterator[str]:
    """Without files again afterwards, about which the CLI would be asked again."""
    folder = server.sandbox.project / ".claude"
    folder.mkdir()
    yield str(server.sandbox.project)
    shutil.rmtree(folder)


def rows(server: LocalServer, **query: str) -> dict[str, str]:
    """The settings in force by the words of their row's title, with its details."""
    page = server.get("/claude/settings", params=query)
    assert page.status_code == 200
    listed = [
        each
        for each in dom.parse(page.text).walk()
        if "/claude/settings/" in (each.attributes.get("href") or "") and each.tag == "a"
    ]
    return {" ".join(each.text.split()): each.attributes["href"] or "" for each in listed}


def form_of(server: LocalServer, name: str, **query: str) -> dict[str, str]:
    page = dom.parse(server.get(f"/claude/settings/{name}", params=query).text)
    hidden = [e for e in page.walk() if e.tag == "input" and e.attributes.get("type") == "hidden"]
    return {str(e.attributes["name"]): e.attributes.get("value") or "" for e in hidden}


def save(server: LocalServer, name: str, value: str, fields: dict[str, str], **more: str) -> Answer:
    form = {**fields, "value": value, **more}
    form.pop("csrf_token", None)
    return server.post(f"/claude/settings/{name}", form)


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_what_is_in_force_is_listed_with_its_scope_as_the_cli_says(
    server: LocalServer, user_file: Path, project: str
) -> None:
    local = Path(project) / ".claude" / "settings.local.json"
    local.write_text('{"permissions": {"deny": ["Read(.env)"]}, "model": "haiku"}')
    listed = " | ".join(rows(server, folder=project))
    assert "Model local user haiku" in listed
    assert "permissions.deny local Read(.env)" in listed
    assert 'unknownToAll user {"kept": [1, 2.5]}' in listed
    assert "t0p-secret" not in server.get("/claude/settings", params={"folder": project}).text


ODD = dict.fromkeys(["", "  ", "a/b?c", "..", "x" * 5000, "\ud800"], "odd")
LAST = json.dumps({**ODD, "$plain": "even", **dict(reversed(USER.items()))})
"""Those that are used often stand behind odd ones in the file; it is one, to ask the CLI once."""


def test_key_that_fits_no_address_is_listed_without_a_link(
    server: LocalServer, user_file: Path
) -> None:
    user_file.write_text(LAST)
    given = ("user odd", "user even")
    links = {words: link for words, link in rows(server).items() if words.endswith(given)}
    assert list(links) == ["$plain user even"]
    assert server.get(links["$plain user even"]).status_code == 200
    text = " ".join(dom.parse(server.get("/claude/settings").text).text.split())
    for shown in ("No name", "a/b?c", ".."):
        assert f"{shown} user odd" in text
    assert text.count("No name user odd") == 2


def test_settings_that_are_used_often_are_listed_first(
    server: LocalServer, user_file: Path
) -> None:
    user_file.write_text(LAST)
    first, second, *_ = rows(server)
    assert (first, second) == (
        "Model user sonnet",
        "Environment variables user API_TOKEN=********, LANG=de",
    )


@pytest.mark.usefixtures("no_word_of_the_cli")  # about these settings
def test_models_are_suggested_as_the_cli_names_them(server: LocalServer, user_file: Path) -> None:
    text = " ".join(dom.parse(server.get("/claude/settings/model").text).text.split())
    assert re.search(r"Such as (\w+, )*opus\b", text)
    assert "default," not in text.partition("Such as")[2]


def test_changed_setting_is_what_the_cli_reads_and_the_others_stay(
    server: LocalServer, user_file: Path
) -> None:
    name = "statusLine.command"
    with files_alone():
        assert save(server, "language", "Suomi", form_of(server, "language")).status_code == 303
        assert content(user_file) == {**USER, "language": "Suomi"}
        assert save(server, name, "date", form_of(server, name)).status_code == 303
    line = {"type": "command", "command": "date"}
    assert content(user_file) == {**USER, "language": "Suomi", "statusLine": line}
    assert user_file.read_text().startswith('{\n    "model"')
    listed = " | ".join(rows(server))
    assert "Language user Suomi" in listed
    assert "Status line user date" in listed, "Claude needs the constant beside it"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_removed_setting_is_gone_from_its_file_only(
    server: LocalServer, user_file: Path, project: str
) -> None:
    shared = Path(project) / ".claude" / "settings.json"
    fields = form_of(server, "model", folder=project, scope="project")
    assert save(server, "model", "opus", fields).status_code == 303
    assert content(shared) == {"model": "opus"}
    assert stat.S_IMODE(shared.stat().st_mode) & 0o044 == 0o044
    fields = form_of(server, "model", folder=project, scope="project")
    assert save(server, "model", "", fields, act="remove").status_code == 303
    assert content(shared) == {}
    assert content(user_file)["model"] == "sonnet"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_secret_is_hidden_in_the_form_and_kept_when_the_others_change(
    server: LocalServer, user_file: Path
) -> None:
    page = server.get("/claude/settings/env").text
    assert "API_TOKEN=********" in page
    assert "t0p-secret" not in page
    fields = form_of(server, "env")
    assert save(server, "env", "API_TOKEN=********\r\nLANG=fr", fields).status_code == 303
    assert content(user_file)["env"] == {"API_TOKEN": "t0p-secret", "LANG": "fr"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("cleanupPeriodDays", "0", "It must be more than 0."),
        ("cleanupPeriodDays", "many", "It must be a whole number."),
        ("effortLevel", "extreme", "It must be one of: low, medium"),
        ("env", "no equals sign", "is no line of the form NAME=value"),
        ("env", "OTHER_TOKEN=********", "Type the value of OTHER_TOKEN"),
        ("hooks", "{", "It is not valid JSON: line 1"),
        ("hooks", '{"Never": []}', "It holds a name that Claude does not know"),
    ],
)
def test_value_that_claude_would_not_accept_is_refused_and_stays_in_the_form(
    server: LocalServer, user_file: Path, name: str, value: str, reason: str
) -> None:
    before = user_file.read_text()
    answer = save(server, name, value, form_of(server, name))
    assert answer.status_code == 422
    page = dom.parse(answer.text)
    assert reason in page.text
    control = page.find("setting-value")
    assert control is None or value in (control.text.strip(), control.attributes.get("value"))
    assert user_file.read_text() == before


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_setting_saved_from_two_phones_is_not_overwritten_unseen(
    server: LocalServer, user_file: Path
) -> None:
    first, second = form_of(server, "language"), form_of(server, "language")
    assert save(server, "language", "Suomi", first).status_code == 303
    answer = save(server, "language", "Svenska", second)
    assert answer.status_code == 409
    page = dom.parse(answer.text)
    assert "settings.json has changed since you opened it." in page.text
    assert "It is now: Suomi" in page.text
    control = page.find("setting-value")
    assert control is not None
    assert control.attributes["value"] == "Svenska"
    assert content(user_file)["language"] == "Suomi"
    hidden = {
        e.attributes.get("name"): e.attributes.get("value") for e in page.walk() if e.tag == "input"
    }
    again = {"folder": "", "scope": "user", "revision": str(hidden["revision"])}
    assert save(server, "language", "Svenska", again).status_code == 303
    assert content(user_file)["language"] == "Svenska"


def test_settings_are_found_by_the_words_of_their_description(
    server: LocalServer, user_file: Path
) -> None:
    found = rows(server, q="git commits attribution")
    assert "/claude/settings/attribution.commit" in found.values()
    page = server.get("/claude/settings", params={"q": "outside the working directories"}).text
    assert ".<wbr>block<wbr>Reads<wbr>Outside<wbr>Working<wbr>Directories" in page
    assert "/claude/settings/model" not in found.values()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/claude/settings/noSuchSetting", 404),
        ("/claude/settings/model?folder=/etc", 422),
        ("/claude/settings?folder=relative", 422),
    ],
)
def test_unknown_setting_and_folder_are_refused(
    server: LocalServer, path: str, status: int
) -> None:
    assert server.get(path).status_code == status


def test_proxy_is_set_for_sessions_with_this_computer_always_exempt(
    server: LocalServer, user_file: Path
) -> None:
    page = dom.parse(server.get("/claude/proxy").text)
    hidden = {
        e.attributes.get("name"): e.attributes.get("value") for e in page.walk() if e.tag == "input"
    }
    fields = {
        "revision": str(hidden["revision"]),
        "https": "http://me:p4ss@proxy.lan:3128",
        "no": "nas.lan",
    }
    assert server.post("/claude/proxy", fields).status_code == 303
    env = content(user_file)["env"]
    assert env["HTTPS_PROXY"] == "http://me:p4ss@proxy.lan:3128"
    assert env["NO_PROXY"] == "nas.lan,localhost,127.0.0.1,::1"
    shown = server.get("/claude/proxy").text
    assert "p4ss" not in shown
    assert "nas.lan" in shown
    page = dom.parse(shown)
    hidden = {
        e.attributes.get("name"): e.attributes.get("value") for e in page.walk() if e.tag == "input"
    }
    kept = {name: str(hidden[name]) for name in ("revision", "https", "http", "all")}
    assert server.post("/claude/proxy", {**kept, "no": ""}).status_code == 303
    assert content(user_file)["env"]["HTTPS_PROXY"] == "http://me:p4ss@proxy.lan:3128"
    page = dom.parse(server.get("/claude/proxy").text)
    hidden = {
        e.attributes.get("name"): e.attributes.get("value") for e in page.walk() if e.tag == "input"
    }
    refused = server.post(
        "/claude/proxy", {"revision": str(hidden["revision"]), "http": "proxy:3128"}
    )
    assert refused.status_code == 422
    assert "is no address of a proxy" in refused.text
    removed = server.post("/claude/proxy", {"revision": str(hidden["revision"])})
    assert removed.status_code == 303
    assert content(user_file)["env"] == USER["env"]
