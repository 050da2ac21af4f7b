"""The pages that show what a pull, a push or a pull request does, and their forms."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.commits.changes import Done
from opcode_htmx.features.commits.pages import common
from opcode_htmx.features.commits.pull_requests import PullRequests, is_address
from opcode_htmx.features.commits.remote_acts import RemoteActs
from opcode_htmx.lib.git.commands.remotes import PullMode
from opcode_htmx.sessions.repositories.logins import host_of
from opcode_htmx.web.http.forms import BadForm, typed

_MODES: dict[str, PullMode] = {"ff-only": "ff-only", "merge": "merge", "rebase": "rebase"}


def add_to(pages: Blueprint, remotes: RemoteActs, requests: PullRequests) -> None:
    def git_page(project_id: str) -> str:
        return url_for("commits.page", project_id=project_id)

    @pages.get("/projects/<project_id>/git/pull")
    def pull_page(project_id: str) -> str:
        found = remotes.pull_page(project_id, request.args.get("remote", ""))
        return render_template(
            "commits/pull.html", project_id=project_id, found=found, notice=common.notice()
        )

    @pages.post("/projects/<project_id>/git/pull")
    def pull(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        remote, wanted = form.get("remote", ""), form.get("mode", "")
        if wanted != "fetch" and wanted not in _MODES:
            raise BadForm("Choose how to bring both sides together.")
        answer, back = common.answer_of(form), git_page(project_id)
        typed = common.login_of(form)
        common.log("pull", project_id, remote=remote, mode=wanted, login_for=host_of(typed))
        mode = _MODES.get(wanted)
        return common.after_act(remotes.pull(project_id, remote, mode, answer, back, typed))

    @pages.get("/projects/<project_id>/git/push")
    def push_page(project_id: str) -> str:
        found = remotes.push_page(project_id, request.args.get("remote", ""))
        return render_template(
            "commits/push.html", project_id=project_id, found=found, notice=common.notice()
        )

    @pages.post("/projects/<project_id>/git/push")
    def push(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        remote, overwrite = form.get("remote", ""), form.get("overwrite") == "1"
        answer, back = common.answer_of(form), git_page(project_id)
        typed = common.login_of(form)
        common.log("push", project_id, remote=remote, overwrite=overwrite, login_for=host_of(typed))
        begun = remotes.push(project_id, remote, answer, back, overwrite=overwrite, typed=typed)
        return common.after_act(begun)

    @pages.post("/projects/<project_id>/git/forget-login")
    def forget_login(project_id: str) -> BaseResponse:
        """Keep the login for a host no longer."""
        origin = request.form.get("origin", "")
        remotes.forget(project_id, origin)
        common.log("forget_login", project_id, login_for=origin)
        return common.after(Done("The login is kept no longer."), common.back_of(project_id))

    @pages.get("/projects/<project_id>/git/pull-request")
    def pull_request(project_id: str) -> str:
        """The form for one, or with an `address` the state of one."""
        address = request.args.get("address", "")
        if is_address(address):
            return render_template(
                "commits/pull_request_state.html",
                project_id=project_id,
                address=address,
                found=requests.state_of(address),
            )
        found = requests.page(project_id)
        return render_template("commits/pull_request.html", project_id=project_id, found=found)

    @pages.get("/projects/<project_id>/git/pull-request/state")
    def pull_request_state(project_id: str) -> str:
        """What a card in a session says of one: its state, or a link to the page that does."""
        address = request.args.get("address", "")
        if not is_address(address):
            raise BadForm("That is not the address of a pull request at github.com.")
        found = requests.recent_state_of(address)
        return render_template(
            "commits/pull_request_card.html", project_id=project_id, address=address, found=found
        )

    @pages.post("/projects/<project_id>/git/pull-request")
    def open_pull_request(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        begun = requests.open(
            project_id,
            form.get("title", ""),
            typed(form.get("body", "")),
            form.get("base", ""),
            git_page(project_id),
        )
        common.log("pull_request", project_id)
        if begun.is_done and is_address(begun.result):
            address = url_for(".pull_request", project_id=project_id, address=begun.result)
            return redirect(address, 303)
        return common.after_act(begun)
