"""From the phone: a clone whose server is killed in its middle, tried again, and a new session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psutil
from playwright.sync_api import expect

from tests.support.environment import Sandbox, has_ended, until
from tests.support.outside.git_server import git_server
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server


def test_a_clone_survives_the_phone_and_not_the_server_and_leads_to_a_session(
    sandbox: Sandbox,
    stand_in: Path,
    tmp_path: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> None:
    with git_server(tmp_path / "served") as remote:
        remote.repository("gardeners/orchard", files=40)
        remote.hold = threading.Event()
        settings = {"OPCODE_REPOSITORIES_GITHUB": remote.url, "OPCODE_WORKERS": "2"}
        roots = {"OPCODE_PROJECT_ROOTS": str(sandbox.project)}
        server = start_server(sandbox, stand_in, **settings, **roots)
        repos = sandbox.project / "opcode" / "repos"
        phone = open_phone(server)
        phone.forgiven.extend(CUT_OFF)
        page = phone.page

        page.goto("/repositories")
        page.get_by_label("Clone a repository").fill("gardeners/orchard")
        page.get_by_role("button", name="Clone", exact=True).click()
        expect(page.get_by_role("progressbar", name="Cloning")).to_be_visible()
        assert remote.held.wait(60)
        (begun,) = repos.iterdir()
        git = [each for each in psutil.process_iter(["cmdline"]) if str(begun) in str(each.info)]
        assert git

        server.kill()
        for each in git:  # it would end by itself with its next line about its progress
            each.kill()
        until(lambda: all(map(has_ended, git)), "git has ended")
        server.start()
        until(lambda: not list(repos.iterdir()), "nothing of the half clone is left")
        page.goto("/repositories/gardeners__orchard")
        expect(page.get_by_text("The server was stopped before the clone was done")).to_be_visible()

        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("progressbar", name="Cloning")).to_be_visible()
        page.goto("about:blank")
        remote.hold.set()
        page.goto("/repositories/gardeners__orchard")
        page.get_by_role("button", name="New session here").click()
        expect(page.get_by_placeholder("Ask Claude")).to_be_visible()
        (worktree,) = (repos.parent / "worktrees").iterdir()
        assert (worktree / "file-0.txt").exists()
        assert page.locator("input[name=session_id]").input_value() in worktree.name
        expect(page.locator("input[name=folder]")).to_have_value(str(worktree))
