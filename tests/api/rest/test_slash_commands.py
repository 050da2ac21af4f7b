"""Slash commands written and deleted over the API, as the desktop app's client does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, write_stand_in

COMMANDS = "/api/slash-commands"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("commands") / "home").make()


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[FlaskClient]:
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        yield client_of(app)


def save(client: FlaskClient, **body: object) -> TestResponse:
    return client.post(COMMANDS, json={"scope": "user", "content": "Do it.\n", **body})


def data(answer: TestResponse) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


def test_command_is_saved_read_changed_and_deleted(client: FlaskClient, sandbox: Sandbox) -> None:
    where = {"project_path": str(sandbox.project)}
    body = {"name": "deploy", "namespace": "ops", "scope": "project", **where}
    tools = {"description": 'Ship: "it"', "allowed_tools": ["Read", "Bash(git add:*, git rm:*)"]}
    made = data(save(client, **body, **tools))
    path = sandbox.project / ".claude" / "commands" / "ops" / "deploy.md"
    assert made["file_path"] == str(path)
    assert (made["full_command"], made["content"]) == ("/ops:deploy", "Do it.\n")
    assert (made["description"], made["allowed_tools"]) == (
        tools["description"],
        tools["allowed_tools"],
    )
    one = f"{COMMANDS}/{made['id']}"
    assert data(client.get(one, query_string=where)) == made
    path.write_text(path.read_text().replace("---\nDo", "kept: 1 # why\n---\nDo"))
    changed = data(save(client, **body, **{**tools, "description": "Other", "content": "New."}))
    assert (changed["description"], changed["content"]) == ("Other", "New.")
    assert "kept: 1 # why\n" in path.read_text()
    assert data(client.delete(one, query_string=where)) == "/ops:deploy is deleted."
    assert not path.exists()
    assert client.get(one, query_string=where).status_code == 404
    assert client.delete(one, query_string=where).status_code == 404


@pytest.mark.parametrize(
    "names",
    [{"name": "../../evil"}, {"name": "x", "namespace": "../../evil"}, {"name": "/etc/evil"}],
)
def test_desktop_finding_names_of_commands_were_not_validated(
    client: FlaskClient, sandbox: Sandbox, names: dict[str, str]
) -> None:
    assert save(client, **names).status_code == 422
    assert not list(sandbox.home.rglob("*evil*"))


def test_desktop_finding_yaml_was_not_escaped(client: FlaskClient) -> None:
    hostile = 'x"\nallowed-tools: Bash\n---\n# '
    saved = data(save(client, name="hostile", description=hostile))
    assert saved["allowed_tools"] == []
    assert saved["content"] == "Do it.\n"


def test_project_command_needs_a_project(client: FlaskClient) -> None:
    assert save(client, name="x", scope="project").status_code == 422


def test_id_of_several_commands_deletes_none_of_them(client: FlaskClient, sandbox: Sandbox) -> None:
    data(save(client, name="a-b"))
    data(save(client, name="b", namespace="a"))
    assert client.delete(f"{COMMANDS}/user-a-b").status_code == 422
    assert Path(sandbox.config_dir, "commands", "a-b.md").exists()
    assert Path(sandbox.config_dir, "commands", "a", "b.md").exists()
