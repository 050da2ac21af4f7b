"""From a prompt to a pushed commit and back, by thumb: what the pages of changes are for.

That they fit and can be read: see tests/app/pages/test_every_page.py.
"""

from __future__ import annotations

import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from tests.support.cli.sessions import OpenSession
from tests.support.clients import api as rest
from tests.support.environment import SYSTEM_PATH, Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LINES = [f"row {number}" for number in range(1, 41)]
PLANTED = [*LINES[:-1], "the hedge"]
MENDED = [*LINES[:-1], "the quince hedge"]
COMMENT = "Say which hedge it is"


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def garden(shared_home: Sandbox) -> Path:
    """A repository with one commit and a remote without any."""
    folder = shared_home.with_own_project().project
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@garden.example")
    (folder / "plan.txt").write_text(_text(LINES))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The plan")
    git(folder, "init", "--quiet", "--bare", str(remote_of(folder)))
    git(folder, "remote", "add", "origin", str(remote_of(folder)))
    return folder


def remote_of(folder: Path) -> Path:
    return folder.parent / f"{folder.name}-remote.git"


SAVED = threading.Event()
"""Set once the checkpoint before the first prompt is complete: a real model takes longer."""


def _read(request: Request) -> tuple[Text, ToolUse]:
    path = f"{request.working_directory}/plan.txt"
    return Text("I look at it first.", gate=SAVED), ToolUse("Read", {"file_path": path})


def _write(lines: list[str]) -> Callable[[Request], ToolUse]:
    def write(request: Request) -> ToolUse:
        path = f"{request.working_directory}/plan.txt"
        return ToolUse("Write", {"file_path": path, "content": _text(lines)})

    return write


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    planted, mended = Text("It is planted."), Text("It is a quince hedge.")
    scenes = [
        Scene("plant", "Plant a hedge", [_read, _write(PLANTED), planted]),
        Scene("mend", lambda prompt: COMMENT in prompt, [_read, _write(MENDED), mended]),
        Scene("any", lambda _: True, [Text("Yes.")]),
    ]
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_PERMISSION_MODE": "acceptEdits", "OPCODE_IDLE_TIMEOUT": "30m"}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["/usr/bin/env", "git", *arguments],
        cwd=folder,
        env={"PATH": SYSTEM_PATH, "HOME": str(folder.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_from_a_prompt_to_a_pushed_commit_and_back_before_it_by_thumb(
    shared_real_server: Server, garden: Path, open_phone: Callable[..., Phone]
) -> None:
    plan, server = garden / "plan.txt", shared_real_server
    form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    begun = server.post("/sessions", {**form, "folder": str(garden), "prompt": "Plant a hedge"})
    session = OpenSession(server, begun.headers["Location"])
    checkpoints = f"/api/sessions/{session.id}/checkpoints"
    until(lambda: rest.get(server, checkpoints)["checkpoints"], "the files are saved")
    SAVED.set()
    session.answered()
    page = open_phone(server).page

    # What has changed, and a comment on it
    page.goto(session.address)
    page.get_by_role("link", name="1 changed file").click()
    plan_row(page).click()
    expect(page.locator(".diff-add")).to_have_count(1)
    page.locator(".diff-add", has_text="the hedge").click()
    page.get_by_role("button", name="Comment: Line 40").click()
    page.locator(".picked-form textarea").fill(COMMENT)
    page.get_by_role("button", name="Add comment").click()
    page.get_by_role("button", name="Send 1 to Claude").click()
    expect(page.get_by_text("It is a quince hedge.")).to_be_visible()
    assert plan.read_text() == _text(MENDED)
    page.goto(f"{session.address}/changes/comments")
    expect(page.get_by_text("Addressed")).to_be_visible()

    # It is staged, committed and pushed
    page.goto(f"{session.address}/changes?base=commit")
    plan_row(page).first.click()
    page.get_by_role("button", name="Stage this part", exact=True).first.click()
    until(lambda: not git(garden, "diff"), "it is staged")
    expect(page.get_by_role("status").get_by_text("Staged.")).to_be_visible()
    page.goto(f"{session.address}/changes?base=commit")
    page.get_by_role("link", name="Commit…", exact=True).click()
    page.get_by_label("Message").fill("Plant a quince hedge")
    page.get_by_role("button", name="Commit 1 file").click()
    expect(page.get_by_text("pushed nowhere yet")).to_be_visible()
    page.get_by_role("link", name="Push", exact=True).click()
    expect(page.get_by_role("button", name="Push", exact=True)).to_be_visible()
    page.get_by_role("button", name="Push", exact=True).click()
    # where it takes long, it has a page of its own
    expect(page.get_by_text(re.compile("(at|Pushed .* to) origin/main")).first).to_be_visible()
    assert git(remote_of(garden), "log", "-1", "--format=%s", "main") == "Plant a quince hedge"

    # Back to before the first prompt, and forward again
    page.goto(session.address)
    page.locator(".block-prompt").first.get_by_role("link", name="Link, copy, fork").click()
    page.get_by_role("dialog").get_by_role("link", name="Back to before this prompt").click()
    expect(page.get_by_role("heading", name="1 file would change")).to_be_visible()
    page.get_by_role("button", name="Files and conversation").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Plant a hedge")
    assert plan.read_text() == _text(LINES)
    assert git(garden, "log", "-1", "--format=%s") == "Plant a quince hedge"
    page.get_by_role("button", name="Session menu").first.click()
    page.get_by_role("link", name="Checkpoints").click()
    expect(page.get_by_text("Put the files back to checkpoint 1")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    until(lambda: plan.read_text() == _text(MENDED), "the files are as they were")
    expect(page.get_by_text(re.compile("Put the files back to checkpoint [2-9]"))).to_be_visible()
    assert git(garden, "status", "--porcelain") == ""


def plan_row(page: Page) -> Locator:
    """The file in the lists of changes."""
    return page.locator("summary", has_text="plan.txt")
