"""The CPU that a growing answer costs, folded and rendered piece by piece as by the live loop."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator

from flask import Flask
from jinja2 import Environment

from bench.figures import Figure, Target
from bench.material import answer
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.markup.markdown import render
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.web.http import filters
from tests.support.environment import ROOT

PIECE_CHARACTERS = 5
SHORT, LONG = 10_000, 100_000  # characters
MESSAGE_ID = "msg_growing"


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
    ]


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
        assert bool(html) == bool(changed)
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
