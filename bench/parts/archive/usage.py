"""The usage page over five thousand sessions: CPU time of a request, and bytes on the wire.

Other programs use the processor as well, so its time is measured. The floor is a page that asks the
index for nothing.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from bench.data import many_sessions
from bench.figures import Figure, Target
from opcode_htmx.sessions.index.indexer import Indexer
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, basic_header, write_stand_in

ROUNDS = 30
PAGE = Target("median", 50)
WIRE = Target("worst", 40)
FLOOR_PATH = "/appearance"
PAGES = {"30 days": "/usage", "all days": "/usage?range=all"}


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder) / "home").make()
        many_sessions.generate(sandbox.config_dir)
        write_index(sandbox)
        claude = write_stand_in(Path(folder) / "claude")
        with app_of(sandbox, claude, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
            return list(_figures(app, sandbox))


def write_index(sandbox: Sandbox) -> None:
    path = sandbox.state / "index" / "sessions.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    indexer = Indexer(path, sandbox.config_dir)
    for _ in indexer.look():
        pass
    indexer.close()


def _figures(app: Flask, sandbox: Sandbox) -> Iterator[Figure]:
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_AUTHORIZATION"] = basic_header()["Authorization"]
    index = sandbox.state / "index" / "sessions.sqlite"
    for what, path in PAGES.items():
        floor = [_ms(client, FLOOR_PATH) for _ in range(ROUNDS)]
        fresh = []
        for number in range(ROUNDS):
            os.utime(index, (number, number))  # as if it had changed meanwhile
            fresh.append(_ms(client, path))
        again = [_ms(client, path) for _ in range(ROUNDS)]
        target = PAGE if path == "/usage" else None
        yield Figure(f"Usage of {what}, CPU time", "ms", fresh, FLOOR_PATH, floor, target)
        yield Figure("The same while nothing is new", "ms", again, FLOOR_PATH, floor, PAGE)
        weight, least = _kilobytes(client, path), _kilobytes(client, FLOOR_PATH)
        yield Figure("Its weight, compressed", "KB", [weight], FLOOR_PATH, [least], WIRE)


def _kilobytes(client: FlaskClient, path: str) -> float:
    return len(gzip.compress(client.get(path).data, 6)) / 1000


def _ms(client: FlaskClient, path: str) -> float:
    began = time.process_time()
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Cost by" in answer.text or path == FLOOR_PATH
    return 1000 * (time.process_time() - began)
