"""Claude works below OPCODE_PROJECT_ROOTS only, for every endpoint that takes a prompt."""

from __future__ import annotations

import ast
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.files import confined
from opcode_htmx.runs.control.launcher import CannotStart, FolderNotAllowed
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.working_folders import (
    InvalidFolder,
    OpenFolder,
    WorkingFolders,
)
from opcode_htmx.runs.processes import claude_process
from tests.support.cli.supervision import (
    BY,
    Supervision,
    idle,
    new_id,
    steps,
)
from tests.support.clients.api import line, prompt, session
from tests.support.clients.json_client import connected
from tests.support.environment import (
    PASSWORD,
    ROOT,
    USER,
    Server,
)

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


# --- the runs themselves --------------------------------------------------------------------


@pytest.fixture
def supervision(supervision: Supervision) -> Supervision:
    supervision.restart(folders=WorkingFolders([supervision.sandbox.project.parent]))
    return supervision


def outside_of(supervision: Supervision) -> Path:
    folder = supervision.sandbox.home / "private"
    folder.mkdir(exist_ok=True)
    return folder


def put_link(project: Path, target: Path) -> Path:
    """Put a link where a folder was; where the folder is now."""
    moved = project.with_name("moved")
    project.rename(moved)
    project.symlink_to(target)
    return moved


def test_no_run_begins_outside_of_the_roots(supervision: Supervision) -> None:
    folder = outside_of(supervision)
    link = supervision.sandbox.project / "link"
    link.symlink_to(folder)
    for each in (folder, link, supervision.sandbox.project / ".." / ".." / "private"):
        with pytest.raises(FolderNotAllowed, match="outside the folders"):
            supervision.supervisor.starts.prompt(new_id(), each, new_id(), "Hello", by=BY)
    assert list(supervision.runs_dir.glob("*")) == []


def test_a_prompt_that_was_sent_before_is_not_refused_when_it_is_sent_again(
    supervision: Supervision,
) -> None:
    session_id, prompt_id = new_id(), new_id()
    run = idle(supervision.prompt("Hello", session_id, prompt_id))
    put_link(supervision.sandbox.project, outside_of(supervision))
    again = supervision.supervisor.starts.prompt(
        session_id, supervision.sandbox.project, prompt_id, "Hello", by=BY
    )
    assert again is run
    with pytest.raises(FolderNotAllowed):
        supervision.supervisor.starts.prompt(
            session_id, supervision.sandbox.project, new_id(), "More", by=BY
        )


def test_a_link_put_in_place_of_the_folder_before_it_is_opened_starts_nothing(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, walk = outside_of(supervision), confined._walk

    def swap(root: Path, parts: tuple[str, ...]) -> int:
        put_link(supervision.sandbox.project, target)
        return walk(root, parts)

    monkeypatch.setattr(confined, "_walk", swap)
    with pytest.raises(FolderNotAllowed, match="cannot be opened: not a directory"):
        supervision.prompt("Hello")
    assert supervision.marked_processes() == []
    assert list(supervision.runs_dir.glob("*")) == []


def test_a_link_put_in_place_of_the_folder_while_claude_starts_moves_it_nowhere(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, spawn, moved = outside_of(supervision), claude_process.spawn, []

    def swap(*arguments: Any) -> claude_process.ClaudeProcess:
        moved.append(put_link(supervision.sandbox.project, target))
        return spawn(*arguments)

    monkeypatch.setattr(claude_process, "spawn", swap)
    run = idle(supervision.prompt(steps(["report"])))
    assert run.record.pid is not None
    assert psutil.Process(run.record.pid).cwd() == str(moved[0])


def test_waiting_prompt_is_not_started_in_a_folder_that_now_leads_outside(
    supervision: Supervision,
) -> None:
    supervision.restart(max_runs=1)
    inner = supervision.sandbox.project / "inner"
    inner.mkdir()
    busy = idle(supervision.prompt(steps(["text", "busy"])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervision.supervisor.scheduler, "_end_idle", lambda wanted: None)
        waiting = supervision.supervisor.starts.prompt(new_id(), inner, new_id(), WORDS, by=BY)
        assert waiting.phase is Phase.QUEUED
        put_link(inner, outside_of(supervision))
    busy.stop(by=BY)
    assert waiting.join(20)
    assert waiting.record.end is not None
    assert waiting.record.end.outcome is Outcome.FAILED
    assert "outside the folders that may be worked in" in waiting.record.end.cause
    assert list(waiting.state.waiting.values()) == [WORDS]


def test_claude_starts_in_the_resolved_folder_with_its_name(supervision: Supervision) -> None:
    link = supervision.sandbox.project.with_name("alias")
    link.symlink_to(supervision.sandbox.project)
    run = idle(
        supervision.supervisor.starts.prompt(new_id(), link, new_id(), steps(["report"]), by=BY)
    )
    assert run.record.pid is not None
    claude = psutil.Process(run.record.pid)
    assert claude.cwd() == claude.environ()["PWD"] == str(supervision.sandbox.project)


def test_a_folder_that_is_gone_is_named_as_before(supervision: Supervision) -> None:
    supervision.sandbox.project.rmdir()
    with pytest.raises(CannotStart, match="does not exist any more"):
        supervision.prompt("Hello")


def test_a_folder_that_may_be_entered_and_not_listed_can_be_opened(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o111)
    try:
        with WorkingFolders([tmp_path]).opened(inner) as found:
            assert found.path == inner
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_an_open_folder_is_closed_again(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for folder in (tmp_path, tmp_path / "gone"):
        try:
            with WorkingFolders([tmp_path]).opened(folder) as found:
                assert isinstance(found, OpenFolder)
        except InvalidFolder:
            pass
    assert len(list(descriptors.iterdir())) == before


# --- one place ------------------------------------------------------------------------------


def callers(function: str) -> set[str]:
    """The modules that call a function by this name."""
    package, name = ROOT / "opcode_htmx", function.rpartition(".")[2]
    texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    return {
        str(path.relative_to(package))
        for path, text in texts.items()
        if name in text  # most of the time would go into the parsing of all others
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    }


def test_claude_is_started_in_one_place() -> None:
    assert callers("claude_process.spawn") == {"runs/control/launcher.py"}
    assert callers("launcher.launch") == {"runs/policies/scheduler.py"}
    assert callers("spawn") == set()
