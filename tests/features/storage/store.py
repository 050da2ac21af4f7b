"""A store of sessions and files, and the storage page of its owner."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import gevent
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.environment import Sandbox, until

DAY = 86400.0


class Store:
    """An app with sessions of many ages, and what its pages say."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.sandbox = sandbox
        self.client = client_of(app)

    def session(self, title: str, days: float, folder: Path | None = None, size: int = 0) -> Path:
        """A session that was used so many days ago."""
        folder, at = folder or self.sandbox.project, time.time() - days * DAY
        padding = api.line({"type": "padding", "text": "x" * size}) if size else ""
        text = api.prompt(title, folder, at) + padding
        path = api.session(self.sandbox.config_dir, folder, text)
        os.utime(path, (at, at))
        return path

    def address(self, path: Path) -> str:
        return f"/projects/{path.parent.name}/sessions/{path.stem}"

    def page(self, path: str = "/storage") -> str:
        """A page, once it has been counted."""

        def counted() -> str:
            text = self.client.get(path).text
            return "" if "Counting…" in text else text

        return until(counted, "it is counted", sleep=lambda: gevent.sleep(0.02))

    def plan(self, days: int = 90) -> str:
        return self.page(f"/storage/clean-up?days={days}")

    def move(self, plan: str, *unticked: str, **changes: str) -> TestResponse:
        """What the button below a plan does, without the boxes of these labels."""
        form: dict[str, object] = dict(
            re.findall(r'name="(days|before|digest)" value="([^"]+)"', plan)
        )
        assert len(form) == 3, plan
        form["go"] = [box for box, label in boxes(plan) if label not in unticked]
        return self.client.post("/storage/clean-up", data={**form, **changes})


def boxes(plan: str) -> list[tuple[str, str]]:
    """The values of the ticked boxes of a plan, with their labels."""
    box = r'name="go" value="([^"]*)"[^>]* checked><span [^>]*>([^<]*)'
    return re.findall(box, plan)


def definitions(page: str) -> Mapping[str, str]:
    """The terms of a page's lists with their values."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {re.sub(r" ?<.*", "", term): value for term, value in found}
