"""The pages of branches and of stashes, and their forms."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.commits.history import History
from opcode_htmx.features.commits.pages import common


def add_to(pages: Blueprint, history: History) -> None:
    def branches_page(project_id: str) -> str:
        return url_for("commits.branches", project_id=project_id)

    def stashes_page(project_id: str) -> str:
        return url_for("commits.stashes", project_id=project_id)

    @pages.get("/projects/<project_id>/git/branches")
    def branches(project_id: str) -> str:
        found, is_cut = history.branches(project_id)
        return render_template(
            "commits/branches.html",
            project_id=project_id,
            local=[each for each in found if not each.is_remote],
            remote=[each for each in found if each.is_remote],
            is_cut=is_cut,
            notice=common.notice(),
        )

    @pages.post("/projects/<project_id>/git/branches")
    def create(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        name = form.get("name", "").strip()
        done = history.create(project_id, name, form.get("start", ""))
        common.log("branch.create", project_id, branch=name)
        if form.get("switch") != "1":
            return common.after(done, branches_page(project_id))
        answer = common.answer_of(form)
        back = url_for(".page", project_id=project_id)
        return common.after_act(history.switch(project_id, name, answer, back))

    @pages.post("/projects/<project_id>/git/switch")
    def switch(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        name = form.get("name", "")
        common.log("switch", project_id, branch=name)
        return common.after_act(
            history.switch(
                project_id,
                name,
                common.answer_of(form),
                url_for(".page", project_id=project_id),
                is_remote=form.get("remote") == "1",
                stash=form.get("changes") == "stash",
            )
        )

    @pages.post("/projects/<project_id>/git/branches/delete")
    def delete_branch(project_id: str) -> BaseResponse:
        name = request.form.get("name", "")
        done = history.delete(project_id, name, request.form.get("commit", ""))
        common.log("branch.delete", project_id, branch=name, kept=done.kept_id)
        return common.after(done, branches_page(project_id))

    @pages.get("/projects/<project_id>/git/stashes")
    def stashes(project_id: str) -> str:
        return render_template(
            "commits/stashes.html",
            project_id=project_id,
            found=history.stashes(project_id),
            notice=common.notice(),
        )

    @pages.post("/projects/<project_id>/git/stashes")
    def stash(project_id: str) -> BaseResponse:
        form = request.form
        done = history.stash(project_id, form.get("message", ""), common.answer_of(form))
        common.log("stash", project_id)
        return common.after(done, stashes_page(project_id))

    @pages.post("/projects/<project_id>/git/stashes/take")
    def unstash(project_id: str) -> BaseResponse:
        form = request.form
        drop = form.get("keep") != "1"
        commit = form.get("commit", "")
        done = history.unstash(project_id, commit, common.answer_of(form), drop=drop)
        common.log("unstash", project_id, stash=commit, drop=drop)
        return common.after(done, url_for(".page", project_id=project_id))

    @pages.post("/projects/<project_id>/git/stashes/drop")
    def drop_stash(project_id: str) -> BaseResponse:
        commit = request.form.get("commit", "")
        done = history.drop(project_id, commit)
        common.log("stash.drop", project_id, stash=commit, kept=done.kept_id)
        return common.after(done, stashes_page(project_id))
