"""Stage, unstage, discard and resolve; the lines of a file to choose from; what can come back."""

from __future__ import annotations

from typing import get_args

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.commits.changes import Changes, NothingNamed
from opcode_htmx.features.commits.history import History
from opcode_htmx.features.commits.pages import common
from opcode_htmx.lib.git.commands.conflicts import Choice
from opcode_htmx.lib.git.commands.state import Side
from opcode_htmx.lib.git.diffs import FileDiff, Hunk

MOST_LINES = 1500
"""Lines to choose from on one page."""


def add_to(pages: Blueprint, changes: Changes, history: History) -> None:
    @pages.post("/projects/<project_id>/git/stage")
    def stage(project_id: str) -> BaseResponse:
        selection = common.selection_of()
        done = changes.stage(project_id, selection, common.answer_of(request.form))
        common.log("stage", project_id, files=len(selection.paths))
        return common.after(done, common.back_of(project_id))

    @pages.post("/projects/<project_id>/git/unstage")
    def unstage(project_id: str) -> BaseResponse:
        selection = common.selection_of()
        done = changes.unstage(project_id, selection)
        common.log("unstage", project_id, files=len(selection.paths))
        return common.after(done, common.back_of(project_id))

    @pages.post("/projects/<project_id>/git/discard")
    def discard(project_id: str) -> BaseResponse:
        selection = common.selection_of()
        done = changes.discard(project_id, selection, common.answer_of(request.form))
        common.log("discard", project_id, files=len(selection.paths), kept=done.kept_id)
        return common.after(done, common.back_of(project_id))

    @pages.get("/projects/<project_id>/git/kept")
    def kept(project_id: str) -> str:
        found = changes.kept(project_id)
        return render_template(
            "commits/kept.html", project_id=project_id, found=found, notice=common.notice()
        )

    @pages.post("/projects/<project_id>/git/kept/<kept_id>")
    def bring_back(project_id: str, kept_id: str) -> BaseResponse:
        done = changes.bring_back(project_id, kept_id)
        common.log("bring_back", project_id, kept=kept_id)
        return common.after(done, common.back_of(project_id))

    @pages.get("/projects/<project_id>/git/file")
    def file(project_id: str) -> str | BaseResponse:
        """The lines of a file, to stage, unstage or discard some."""
        path, side = request.args.get("path", ""), _side(request.args.get("side", ""))
        if not path:
            return redirect(url_for(".page", project_id=project_id))
        change = changes.change(project_id, path, side)
        start = request.args.get("from", "")
        shown, more = _part(change.diff, start)
        return render_template(
            "commits/file.html",
            project_id=project_id,
            path=path,
            side=side,
            change=change,
            hunks=shown,
            more=more,
            notice=common.notice(),
        )

    @pages.post("/projects/<project_id>/git/resolve")
    def resolve(project_id: str) -> BaseResponse:
        choice = _choice(request.form.get("choice", ""))
        path = request.form.get("path", "")
        done = changes.resolve(project_id, path, choice, common.answer_of(request.form))
        common.log("resolve", project_id, choice=choice)
        return common.after(done, common.back_of(project_id))

    @pages.post("/projects/<project_id>/git/abort")
    def stop(project_id: str) -> BaseResponse:
        operation = request.form.get("operation", "")
        done = changes.abort(project_id, operation, common.answer_of(request.form))
        common.log("abort", project_id, operation=operation)
        return common.after(done, common.back_of(project_id))

    @pages.post("/projects/<project_id>/git/continue")
    def go_on(project_id: str) -> BaseResponse | tuple[str, int]:
        operation = request.form.get("operation", "")
        common.log("continue", project_id, operation=operation)
        back = common.back_of(project_id)
        answer = common.answer_of(request.form)
        return common.after_act(history.go_on(project_id, operation, answer, back))


def _part(diff: FileDiff, start: str) -> tuple[list[Hunk], str]:
    """The hunks from the one with the id `start`, and the id of the one to go on with."""
    hunks = diff.hunks
    begin = next((n for n, hunk in enumerate(hunks) if hunk.id == start), 0)
    shown: list[Hunk] = []
    lines = 0
    for hunk in hunks[begin:]:
        lines += hunk.length
        if shown and lines > MOST_LINES:
            return shown, hunk.id
        shown.append(hunk)
    return shown, ""


def _side(text: str) -> Side:
    for side in get_args(Side):
        if text == side:
            found: Side = side
            return found
    raise NotFound


def _choice(text: str) -> Choice:
    for choice in get_args(Choice):
        if text == choice:
            found: Choice = choice
            return found
    raise NothingNamed("Choose one of the sides.")
