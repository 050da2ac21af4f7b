"""A history whose answers cost something, its index, and what pages and the API say of it."""

from __future__ import annotations

import json
import re
from typing import Any

from flask.testing import FlaskClient

from opcode_htmx.sessions.index.indexer import Indexer
from tests.sessions.index.histories import ONE, TWO, Session
from tests.sessions.index.spending import spend
from tests.support.environment import Sandbox

FORMULA = '=HYPERLINK("http://example.org")'

HOUR = 3600.0


def write_history(sandbox: Sandbox) -> None:
    """Three answers in two projects, one of them of an unknown model, and one of a subagent."""
    shop = Session(sandbox.config_dir, ONE, str(sandbox.project))
    shop.prompt(FORMULA)
    spend(shop, "m1")
    spend(shop, "m2", model="claude-unheard-of")
    shop.write(json.dumps({"type": "cost-state", "totalCostUSD": 0.5}) + "\n")
    agent = shop.of_agent("done")
    message = {"id": "m3", "model": "claude-opus-5-5", "usage": {"input_tokens": 1_500}}
    line = {"type": "assistant", "cwd": shop.cwd, "timestamp": "2026-11-18T09:00:00.000Z"}
    with agent.open("a") as file:
        file.write(json.dumps({**line, "message": message}) + "\n")
    infra = Session(sandbox.config_dir, TWO, str(sandbox.home / "work" / "infra"))
    infra.prompt("Look at the network")
    spend(infra, "m4", at=86_400)


def write_index(sandbox: Sandbox) -> None:
    path = sandbox.state / "index" / "sessions.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    indexer = Indexer(path, sandbox.config_dir)
    for _ in indexer.look():
        pass
    indexer.close()


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^<>]*>", " ", answer.text.partition("<main")[2]).split())


def data(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]
