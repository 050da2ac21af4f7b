"""Claude works below OPCODE_PROJECT_ROOTS only, for every endpoint that takes a prompt."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.files import history
from tests.support.clients.api import line, prompt, session
from tests.support.clients.json_client import connected
from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

WORDS = "Words that must not be lost"


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_PROJECT_ROOTS": "~/work", "OPCODE_ASK_AHEAD": "0"}


@pytest.fixture(scope="module")
def outside(shared_server: Server) -> Path:
    folder = shared_server.sandbox.home / "private"
    folder.mkdir()
    (folder / "payroll.txt").write_text("secret")
    commands = folder / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "payroll.md").write_text("secret")
    return folder


class Old:
    """A session that worked in a folder outside of the roots, from Claude's own file."""

    def __init__(self, server: Server, folder: Path) -> None:
        answer = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": "Done."}]}
        said = {"type": "assistant", "uuid": str(uuid.uuid4()), "message": answer}
        text = prompt("What was asked", folder) + line({**said, "cwd": str(folder)})
        self.server = server
        self.folder = folder
        self.id = session(server.sandbox.config_dir, folder, text).stem
        self.project_id = history.project_id(folder)
        self.address = f"/projects/{self.project_id}/sessions/{self.id}"

    def post(self, verb: str, **form: str) -> requests.Response:
        return self.server.post(f"{self.address}/{verb}", form)


@pytest.fixture
def old(shared_server: Server, outside: Path) -> Old:
    return Old(shared_server, outside)


def nothing_runs(server: Server) -> bool:
    return not list((server.sandbox.state / "runs").glob("*"))


def test_an_old_session_outside_of_the_roots_can_be_read(old: Old) -> None:
    page = old.server.get(old.address)
    assert page.status_code == 200
    assert "What was asked" in page.text
    read = old.server.get(f"/api/sessions/{old.id}/history/{old.project_id}")
    assert "What was asked" in read.text


@pytest.mark.parametrize("verb", ["prompt", "fork", "begin-again"])
def test_page_does_not_resume_a_session_outside_of_the_roots(old: Old, verb: str) -> None:
    answer = old.post(verb, prompt=WORDS, prompt_id=str(uuid.uuid4()))
    assert answer.status_code == 422
    assert "outside the folders that may be worked in" in answer.text
    assert nothing_runs(old.server)
    folder = old.server.sandbox.config_dir / "projects" / old.project_id
    assert len(list(folder.glob(f"{old.id}*"))) == 1


def test_the_words_and_files_of_a_prompt_that_is_refused_stay_in_the_draft(old: Old) -> None:
    answer = requests.post(
        f"{old.server.url}{old.address}/prompt",
        data={"prompt": WORDS, "prompt_id": str(uuid.uuid4())},
        files=[("files", ("notes.txt", b"notes", "text/plain"))],
        auth=(USER, PASSWORD),
        timeout=20,
    )
    assert answer.status_code == 422
    page = old.server.get(old.address).text
    assert WORDS in page
    assert "notes.txt" in page
    assert not (old.server.sandbox.state / "attached" / old.id).exists()


@pytest.mark.parametrize("verb", ["execute", "resume", "continue"])
def test_api_does_not_resume_a_session_outside_of_the_roots(old: Old, verb: str) -> None:
    wanted = {"project_path": str(old.folder), "prompt": WORDS, "session_id": old.id}
    answer = requests.post(
        f"{old.server.url}/api/sessions/{verb}",
        json=wanted if verb == "resume" else {k: wanted[k] for k in ("project_path", "prompt")},
        auth=(USER, PASSWORD),
        timeout=20,
    )
    assert answer.status_code == 422
    assert "outside the folders that may be worked in" in answer.json()["error"]
    assert nothing_runs(old.server)


def test_chat_does_not_resume_a_session_outside_of_the_roots(old: Old) -> None:
    with connected(old.server, f"/api/claude/sessions/{old.id}/chat") as client:
        client.send(type="user_message", content=WORDS)
        refused = client.until("error")
    assert "outside the folders that may be worked in" in refused["content"]
    assert nothing_runs(old.server)


def test_socket_does_not_resume_a_session_outside_of_the_roots(old: Old) -> None:
    with connected(old.server) as client:
        wanted = {"project_path": str(old.folder), "session_id": old.id, "prompt": WORDS}
        client.send(command_type="resume", **wanted)
        refused = client.until("error")
    assert "outside the folders that may be worked in" in refused["message"]
    assert nothing_runs(old.server)


def test_page_lists_no_files_and_commands_of_a_folder_outside_of_the_roots(old: Old) -> None:
    for query in ("@pay", "/pay"):
        found = old.server.get(f"{old.address}/complete", params={"q": query})
        assert found.status_code == 200
        assert "payroll" not in found.text


def test_the_api_reads_no_configuration_of_a_project_outside_of_the_roots(old: Old) -> None:
    for path in (
        "/api/slash-commands",
        "/api/mcp/servers",
        "/api/settings/permissions",
        "/api/hooks",
        "/api/claude-md",
        "/api/memory/memory-project",
        "/api/settings/files",
        "/api/subagents",
    ):
        answer = old.server.get(path, params={"project_id": old.project_id})
        assert answer.status_code == 422
        assert "payroll" not in answer.text
