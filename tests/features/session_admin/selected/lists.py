"""A project with four sessions, and the lists of their owner."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.environment import Sandbox

TITLES = ("prune the trees", "water the beds", "mend the fence", "sow the peas")


class Lists:
    """A project with four sessions, the first in TITLES used last, and a client of their owner."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.client = client_of(app)
        self.folder = sandbox.project
        self.project = project_id(sandbox.project)
        self.files = {
            title: api.session(
                sandbox.config_dir,
                sandbox.project,
                api.prompt(title, sandbox.project, api.NOON - number * 3600),
            )
            for number, title in enumerate(TITLES)
        }

    @property
    def page(self) -> str:
        return f"/projects/{self.project}"

    def id(self, title: str) -> str:
        return self.files[title].stem

    def address(self, title: str) -> str:
        return f"{self.page}/sessions/{self.id(title)}"

    def act(self, action: str, *titles: str, back: str = "", **more: object) -> TestResponse:
        keys = [f"{self.project}/{self.id(title)}" for title in titles]
        form = {"act": action, "session": keys, "back": back or self.page, **more}
        return self.client.post("/sessions/selected", data=form)

    def next_page(self, answer: TestResponse) -> str:
        """The page that an answer leads to, with the notice that it shows once."""
        set_cookies = answer.headers.getlist("Set-Cookie")
        notice = next((each for each in set_cookies if each.startswith("opcode_notice")), "")
        return self.client.get(answer.location, headers={"Cookie": notice.partition(";")[0]}).text

    def listed(self, query: str = "") -> list[str]:
        """The titles of the list, from its top."""
        page = self.client.get(f"{self.page}{query}").text
        return re.findall(r'class="row-title row-prompt" dir="auto" title="([^"]*)"', page)
