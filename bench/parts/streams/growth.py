"""What a growing answer costs: CPU, folded and rendered piece by piece, and bytes for its page."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import websocket
from flask import Flask
from jinja2 import Environment

from bench.data.material import answer
from bench.figures import Figure, Target
from bench.server import running_server
from bench.traffic.ticks import Series, prompted, write_ticker
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.markup.markdown import render
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.web.http import filters
from tests.support.environment import ROOT, Sandbox
from tests.support.server import Server

PIECE_CHARACTERS = 5
SHORT, LONG = 10_000, 100_000  # characters
MESSAGE_ID = "msg_growing"
PIECES, PAUSE = 400, 0.05
"""Of a hundred characters, and seconds between them, so that most have a message of their own."""
QUIET_SECONDS = 2.0


def measure() -> list[Figure]:
    """CPU milliseconds per 1,000 characters."""
    # The long answer and the short ones are the same text, so only the length differs.
    short = [answer(SHORT, skip) for skip in range(0, LONG, SHORT)]
    long = answer(LONG)
    for_short = [per_thousand(growing, text) for text in short]
    for_long = [per_thousand(growing, long)]
    once_short = [per_thousand(render, text) for text in short]
    once_long = [per_thousand(render, long) for _ in range(3)]
    per = "per 1,000 characters"
    at_once, ten = "rendered once, whole", "answers of 10 KB"
    return [
        Figure(f"An answer of 10 KB, {per}", "ms", for_short, at_once, once_short),
        Figure(f"An answer of 100 KB, {per}", "ms", for_long, at_once, once_long),
        Figure(
            "Growth: 100 KB against 10 KB", "ms", for_long, ten, for_short, Target("ratio", 1.5)
        ),
        *_sent(),
    ]


def _sent() -> Iterator[Figure]:
    """What a page's socket gets, uncompressed, while one paragraph or block of code grows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running_server(Sandbox(home / "home").make(), write_ticker(home)) as server:
            for kind, what in (("paragraph", "A paragraph of 40 KB"), ("code", "Code of 40 KB")):
                sent, html = _sent_of(server, Series(kind, PIECES, PAUSE))
                name = f"{what}: sent to its page while it grows"
                yield Figure(name, "KB", [sent], "its HTML", [html], Target("ratio", 5))


def _sent_of(server: Server, series: Series) -> tuple[float, float]:
    """KB of all messages, and of the HTML of the block at the end."""
    sent = 0
    with prompted(server, series) as (page, address):
        page.settimeout(QUIET_SECONDS)
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            while True:
                sent += len(page.recv_data()[1])
    page_text = server.get(address).text
    blocks = re.findall(r'<article class="block block-text".*?</article>', page_text, re.DOTALL)
    return sent / 1e3, max(len(block.encode()) for block in blocks) / 1e3


def per_thousand(work: Callable[[str], object], text: str) -> float:
    gc.collect()
    began = time.process_time()
    work(text)
    return (time.process_time() - began) * 1e3 / (len(text) / 1e3)


def growing(text: str) -> None:
    """Fold `text` in pieces, and after each render the update for an up-to-date viewer."""
    transcript = Transcript("1", run_id="0" * 32)
    fragments = Fragments(_environment(), "", "/projects/p/sessions/s")
    offset = cursor = 0
    for line in lines(text):
        offset += len(line) + 1
        transcript.feed(parser.parse(line), offset)
        changed = [Change(block, cursor) for block in transcript.changed_since(cursor)]
        html = fragments.changes(changed)
        assert changed or not html  # blanks at the end of code are not shown
        cursor = transcript.offset


def lines(text: str) -> Iterator[bytes]:
    """The lines of the CLI while it streams `text`."""
    yield _event(type="message_start", message={"id": MESSAGE_ID})
    yield _event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    for start in range(0, len(text), PIECE_CHARACTERS):
        delta = {"type": "text_delta", "text": text[start : start + PIECE_CHARACTERS]}
        yield _event(type="content_block_delta", index=0, delta=delta)
    yield _event(type="content_block_stop", index=0)


def _event(**event: object) -> bytes:
    line = {"type": "stream_event", "event": event, "api_message_id": MESSAGE_ID}
    return json.dumps(line).encode()


def _environment() -> Environment:
    """The Jinja environment of the app."""
    app = Flask("bench", root_path=str(ROOT))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    filters.register(app)
    return app.jinja_env
