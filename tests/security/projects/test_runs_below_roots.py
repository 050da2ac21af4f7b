"""No run starts outside of the roots, whatever leads there while it starts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import psutil
import pytest

from opcode_htmx.lib.files import confined
from opcode_htmx.runs.control.launcher import CannotStart, FolderNotAllowed
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.working_folders import InvalidFolder, OpenFolder, WorkingFolders
from opcode_htmx.runs.processes import claude_process
from tests.support.cli.supervision import BY, Supervision, idle, new_id, steps
from tests.support.environment import ROOT

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
        waiting = supervision.supervisor.starts.prompt(new_id(), inner, new_id(), "Prune", by=BY)
        assert waiting.phase is Phase.QUEUED
        put_link(inner, outside_of(supervision))
    busy.stop(by=BY)
    assert waiting.join(20)
    assert waiting.record.end is not None
    assert waiting.record.end.outcome is Outcome.FAILED
    assert "outside the folders that may be worked in" in waiting.record.end.cause
    assert list(waiting.state.waiting.values()) == ["Prune"]


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
