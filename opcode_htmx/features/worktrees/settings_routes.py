"""The page of what the copies of a repository begin with."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.worktrees.views import CopyPages
from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.sessions.worktrees.project_setup import InvalidSetup, ProjectSetup, patterns_in
from opcode_htmx.sessions.worktrees.service import CannotCopy
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import typed

LONGEST_FOLDER = 12_288


def add_to(pages: Blueprint, parts: CopyPages) -> None:
    service = parts.service

    @pages.get("/worktrees/settings")
    def settings() -> str:
        return _settings_page(request.args.get("folder", ""))

    @pages.post("/worktrees/settings")
    def change() -> BaseResponse:
        text = request.form.get("folder", "")[:LONGEST_FOLDER]
        main = _main(text)
        wanted = ProjectSetup(
            str(main),
            patterns_in(typed(request.form.get("patterns", ""))),
            typed(request.form.get("command", "")).strip(),
        )
        try:
            service.setups.set(wanted)
        except InvalidSetup as error:
            return make_response(_settings_page(text, str(error)), 422)
        return redirect_with_notice(url_for(".settings", folder=text), "copy-saved")

    def _settings_page(text: str, error: str = "") -> str:
        main = _main(text)
        known = service.setups.of(main)
        return render_template(
            "worktrees/settings.html",
            folder=text,
            main=main,
            patterns=request.form.get("patterns", "\n".join(known.patterns)),
            command=request.form.get("command", known.command),
            error=error,
            notice=flashed(),
        )

    def _main(text: str) -> Path:
        """The main checkout of a folder's repository. Raises InvalidFolder, CannotCopy."""
        folder = parts.context.workspace.working_folder(text[:LONGEST_FOLDER])
        try:
            git = service.git(folder)
        except (GitFailed, RepositoryRefused) as error:
            raise CannotCopy(str(error)) from None
        if git is None:
            raise CannotCopy(f"{folder} is in no git repository, so there are no copies of it.")
        return worktrees.main_top(git.repository)
