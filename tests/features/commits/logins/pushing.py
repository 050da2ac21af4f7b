"""A push to a remote that asks for a login, and the form that asks for it."""

from __future__ import annotations

import html

from werkzeug.test import TestResponse

from tests.features.commits.desk import HIDDEN, Desk

USER, WORD = "ann", 'p\'w "$HOME" \\n `id`'


def push(desk: Desk) -> TestResponse:
    return desk.post("/push", programs="run", **desk.hidden(desk.page("/push"), "/push"))


def again(desk: Desk, asked: TestResponse, to: str = "/push", /, **login: str) -> TestResponse:
    """The form of the page that asks for a login, filled in."""
    part = asked.text.partition(f'action="{desk.git}{to}"')[2].partition("</form>")[0]
    fields = {name: html.unescape(value) for name, value in HIDDEN.findall(part)}
    return desk.post(to, programs="run", **fields, **login)
