"""Somebody who commits by the forms of the pages."""

from __future__ import annotations

import html
import re
import stat
from pathlib import Path
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.context import AppContext
from tests.lib.git.commands.repo import Repo
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.copies import fill
from tests.support.environment import Sandbox

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class Desk:
    """An app with a project that is a repository, and a browser without scripts."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.app = app
        fill(sandbox.project, _first_commit)
        self.repo = Repo(sandbox.project)
        text = api.prompt("Prune", sandbox.project)
        api.session(sandbox.config_dir, sandbox.project, text)
        self.git = f"/projects/{quote(project_id(sandbox.project))}/git"
        self.client = client_of(app)

    def page(self, where: str = "", /, **query: str) -> str:
        answer = self.client.get(f"{self.git}{where}", query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, where: str, /, **form: object) -> TestResponse:
        return self.client.post(f"{self.git}{where}", data=form)

    def done(self, where: str, /, **form: object) -> str:
        """The page after a form that has had success."""
        answer = self.post(where, **form)
        sentence = re.search(r'role="alert"[^>]*>(.*?)<|<p>(.*?)</p>', answer.text)
        assert answer.status_code == 303, sentence
        notice = {"Cookie": answer.headers.get("Set-Cookie", "").partition(";")[0]}
        return self.client.get(answer.headers["Location"], headers=notice).text

    def hidden(self, page: str, action: str) -> dict[str, str]:
        """The hidden fields of the form with an action."""
        part = page.partition(f'action="{self.git}{action}"')[2].partition("</form>")[0]
        return {name: html.unescape(value) for name, value in HIDDEN.findall(part)}

    def hook(self, name: str, script: str) -> Path:
        path = self.repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return self.repo.top / "sprung"


def _first_commit(top: Path) -> None:
    repo = Repo(top).make()
    repo.write("a.txt", changed_at())
    repo.commit()


def changed_at(*numbers: int) -> str:
    return "".join(f"new {n}\n" if n in numbers else f"{n}\n" for n in range(40))
