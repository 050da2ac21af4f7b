"""The single entry point for prompts: each is validated, and sent once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.control.launcher import FolderNotAllowed
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.submit import (
    Attachments,
    InvalidPrompt,
    PromptSubmitter,
    SessionExists,
    TrustDecision,
)
from tests.support.apps.in_process import app_of
from tests.support.cli.supervision import BY
from tests.support.clients.api import line, prompt, session
from tests.support.environment import Sandbox, until

PIXEL = ImageContent("image/png", "aW1hZ2U=")


@pytest.fixture
def supervisor(sandbox: Sandbox, stand_in: Path) -> Iterator[Supervisor]:
    with app_of(sandbox, stand_in) as app:
        context: AppContext = app.extensions["opcode_context"]
        yield context.runs


@pytest.fixture
def submitter(supervisor: Supervisor, sandbox: Sandbox) -> PromptSubmitter:
    return PromptSubmitter(supervisor, SessionLocations(sandbox.config_dir, supervisor))


def new_id() -> str:
    return str(uuid.uuid4())


def idle(run: Run) -> Run:
    def over() -> bool:
        run.fold_new_lines()
        return run.phase is Phase.IDLE

    until(over, "the turn is over", sleep=lambda: gevent.sleep(0.02))
    return run


def received(run: Run) -> list[list[dict[str, object]] | str]:
    """The contents of the prompts that were written to Claude's stdin."""
    messages = map(json.loads, run.folder.input_log.read_text().splitlines())
    return [each["message"]["content"] for each in messages if each["type"] == "user"]


def test_a_prompt_starts_a_run_and_a_further_one_reaches_it(
    submitter: PromptSubmitter, sandbox: Sandbox
) -> None:
    session_id = new_id()
    run = idle(submitter.submit(session_id, sandbox.project, new_id(), "one", by=BY))
    assert submitter.submit(session_id, sandbox.project, new_id(), "two", by=BY) is run
    assert list(idle(run).state.sent.values()) == ["one", "two"]


def test_a_prompt_that_is_repeated_changes_nothing(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox
) -> None:
    session_id, prompt_id = new_id(), new_id()
    run = idle(submitter.submit(session_id, sandbox.project, prompt_id, "once", new=True, by=BY))

    def refuse(folder: Path) -> Attachments:
        raise AssertionError(f"attached again in {folder}")

    again = submitter.submit(
        session_id,
        sandbox.project / "gone",
        prompt_id,
        "once",
        attach=refuse,
        options={"permission_mode": "plan"},
        trust=TrustDecision.LEAVE_OUT,
        new=True,
        by=BY,
    )
    assert again is run
    assert list(run.state.sent.values()) == ["once"]
    assert supervisor.options.options(session_id).permission_mode is None
    assert supervisor.options.uses_project_settings(session_id)


def test_a_repeated_prompt_gives_the_run_that_has_it(
    submitter: PromptSubmitter, sandbox: Sandbox
) -> None:
    session_id, prompt_id = new_id(), new_id()
    first = idle(submitter.submit(session_id, sandbox.project, prompt_id, "one", by=BY))
    first.stop(by=BY)
    assert first.join(20)
    second = submitter.submit(session_id, sandbox.project, new_id(), "two", by=BY)
    assert second is not first
    assert submitter.submit(session_id, sandbox.project, prompt_id, "one", by=BY) is first


def test_files_are_attached_after_all_checks_in_a_folder_of_the_prompt(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox
) -> None:
    session_id, prompt_id = new_id(), new_id()
    given: list[Path] = []

    def attach(folder: Path) -> Attachments:
        given.append(folder)
        return Attachments([folder / "notes.txt"], [PIXEL])

    run = submitter.submit(
        session_id, sandbox.project, prompt_id, "Read this.", attach=attach, by=BY
    )
    folder = supervisor.attached(session_id) / prompt_id
    assert given == [folder]
    [content] = received(run)
    assert isinstance(content, list)
    texts = [part["text"] for part in content if part["type"] == "text"]
    assert texts == [f"Read this.\n\nAttached files:\n- {folder}/notes.txt"]
    assert [part["type"] for part in content if part["type"] != "text"] == ["image"]


def test_files_that_cannot_be_attached_keep_the_prompt_back(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox
) -> None:
    def attach(folder: Path) -> Attachments:
        raise DiskFull("The disk is full.")

    session_id = new_id()
    with pytest.raises(DiskFull):
        submitter.submit(session_id, sandbox.project, new_id(), "x", attach=attach, by=BY)
    assert supervisor.of_session(session_id) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "Write a prompt first"), ("x" * 200_001, "longer than 200,000 characters")],
)
def test_empty_or_too_long_prompt_is_refused(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox, text: str, words: str
) -> None:
    with pytest.raises(InvalidPrompt, match=words):
        submitter.submit(new_id(), sandbox.project, new_id(), text, by=BY)
    assert supervisor.live() == []


def test_files_alone_are_a_prompt(submitter: PromptSubmitter, sandbox: Sandbox) -> None:
    run = submitter.submit(
        new_id(),
        sandbox.project,
        new_id(),
        "",
        attach=lambda folder: Attachments([folder / "a"]),
        by=BY,
    )
    assert "Attached files" in str(received(run))


def test_a_new_session_must_not_exist(submitter: PromptSubmitter, sandbox: Sandbox) -> None:
    known = new_id()
    session(sandbox.config_dir, sandbox.project, prompt("a", sandbox.project), known)
    with pytest.raises(SessionExists, match="Use resume"):
        submitter.submit(known, sandbox.project, new_id(), "x", new=True, by=BY)


def test_refused_prompt_changes_no_option(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox
) -> None:
    session_id = new_id()
    plan = {"permission_mode": "plan"}
    with pytest.raises(FolderNotAllowed):
        submitter.submit(session_id, Path("/"), new_id(), "x", options=plan, by=BY)
    bypass = {"model": "sonnet", "permission_mode": "bypassPermissions"}
    with pytest.raises(BypassNotAllowed):
        submitter.submit(session_id, sandbox.project, new_id(), "x", options=bypass, by=BY)
    options = supervisor.options.options(session_id)
    assert (options.model, options.permission_mode) == (None, None)


def test_a_decision_about_trust_is_carried_out_before_the_prompt_is_sent(
    submitter: PromptSubmitter, supervisor: Supervisor, sandbox: Sandbox
) -> None:
    settings = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}
    (sandbox.project / ".claude").mkdir()
    (sandbox.project / ".claude" / "settings.json").write_text(line(settings))
    session_id = new_id()
    with pytest.raises(TrustNeeded):
        submitter.submit(session_id, sandbox.project, new_id(), "x", by=BY)
    run = submitter.submit(
        session_id, sandbox.project, new_id(), "x", trust=TrustDecision.LEAVE_OUT, by=BY
    )
    assert "--setting-sources" in run.record.argv
    trusted = submitter.submit(
        new_id(), sandbox.project, new_id(), "x", trust=TrustDecision.TRUST, by=BY
    )
    assert idle(trusted).state.turns == 1
