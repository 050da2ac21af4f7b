"""A line that cannot be used, and half a surrogate pair in it, take nothing with them."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.api.sockets.chat_events import ChatEventEncoder
from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import TurnResult
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript.blocks import AskBlock, RawBlock
from opcode_htmx.transcript.conversation.history_part import HistoryPart
from opcode_htmx.transcript.fold import Transcript
from tests.security.content.rendering import RUN_ID, folded, line
from tests.security.content.unrenderable.lines import LINES, USE, fail, said_by_user
from tests.support.cli.captured import fragments, templates
from tests.support.fuzzing import HISTORY, RARE, STDOUT

HALF = "\ud83d"

# --- lines ----------------------------------------------------------------------------------


def test_a_line_that_cannot_be_folded_becomes_a_raw_block(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Transcript, "_result", fail)
    transcript = folded(LINES)
    raw = [each for each in transcript.blocks if isinstance(each, RawBlock)]
    assert [each.type for each in raw] == ["of_tomorrow", TurnResult.__name__]
    assert '"duration_ms": 7' in raw[-1].text
    assert isinstance(transcript.blocks[-1], AskBlock), "the lines behind it are folded"
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


def test_a_line_that_cannot_be_parsed_is_kept_whole(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parser, "_result", fail)
    transcript = folded([LINES[-2]])
    assert [block.type for block in transcript.blocks if isinstance(block, RawBlock)] == ["result"]
    assert len(caplog.records) == 1


# --- halves of surrogate pairs --------------------------------------------------------------


def positions(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of the texts in a JSON value."""
    match value:
        case str():
            yield ()
        case dict():
            for key, each in value.items():
                yield from ((key, *rest) for rest in positions(each))
        case list():
            for number, each in enumerate(value):
                yield from ((number, *rest) for rest in positions(each))
        case _:
            pass


def with_text(raw: Any, place: tuple[Any, ...], text: str) -> Any:
    """A copy of a JSON value with another text at one place."""
    if not place:
        return text
    first, *rest = place
    copied = raw.copy()
    copied[first] = with_text(raw[first], tuple(rest), text)
    return copied


def kind_of(raw: dict[str, Any]) -> str:
    """The paths of the fields of a line, independent of their texts."""
    shape = sorted({re.sub(r"\d+", "0", str(place)) for place in positions(raw)})
    return json.dumps([raw["type"], raw.get("subtype"), shape])


MESSAGES = {
    kind_of(raw): raw
    for raw in map(json.loads, (*STDOUT, *HISTORY, *RARE, *LINES))
    if isinstance(raw, dict)
}
HALVES = [f"cut {HALF}", f'{{"title": "cut \\ud83d", "\\ude00": ["{HALF}"]}}']


def test_half_a_surrogate_pair_anywhere_in_any_message_takes_nothing() -> None:
    tried = 0
    for raw in MESSAGES.values():
        for place in positions(raw):
            # one of the texts in a live line, the other in one of a history, in turn
            texts = HALVES if tried % 2 else HALVES[::-1]
            transcripts = (Transcript("1", run_id=RUN_ID), Transcript("0", run_id=None))
            for text, transcript in zip(texts, transcripts, strict=True):
                changed = line(**with_text(raw, place, text))
                transcript.feed(parser.parse(LINES[4]), 1)  # the call that a result belongs to
                transcript.feed(parser.parse(changed), 2)
                rendering = fragments()
                whole = WholeBlocks(templates(), "/home/me")
                html = "".join(str(rendering.block(each)) for each in transcript.blocks)
                html += "".join(str(whole.block(each)) for each in transcript.blocks)
                html += "".join(to_markdown.document("t", "/", transcript.blocks))
                html += "".join(hit.after for hit in search.find(transcript.blocks, "u"))
                html.encode()
                assert not any(each.is_unrenderable for each in transcript), (raw, place)
                RunState(ClaudeCodec()).apply_output(parser.parse(changed))
            tried += 1
    assert tried > 500


def test_half_a_surrogate_pair_in_the_json_that_a_tool_printed_is_replaced() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": '{"title": "cut \\ud83d"}'}
    gave = line(type="user", uuid="u", message={"role": "user", "content": [result]})
    use = {**USE, "name": "mcp__shop__list", "input": {}}
    call = line(type="assistant", uuid="a", message={"id": "m", "content": [use]})
    (block,) = folded([call, gave]).blocks
    assert "cut \ufffd" in str(fragments().block(block))


# --- programs, and Claude's history ---------------------------------------------------------


def test_unconvertible_line_reaches_a_chat_verbatim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat = ChatEventEncoder("s")
    monkeypatch.setattr(chat, "_turn", fail)
    messages = [message for each in LINES for message in chat.line(each)]
    (raw,) = [message for message in messages if message["type"] == "raw"]
    assert raw["content"].encode() == LINES[-2]
    assert messages[-1]["type"] == "permission_request", "the lines after it are sent"


def test_failing_history_line_and_those_after_it_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(said_by_user("one", "a") + said_by_user("two", "b") + said_by_user("3", "c"))
    part = HistoryPart.of(path, lambda _: False)
    add = part.lineage.add
    monkeypatch.setattr(part.lineage, "add", lambda row: fail() if row["uuid"] == "b" else add(row))
    part.fold([], None)
    first, raw, last = part.transcript.blocks
    assert isinstance(raw, RawBlock)
    assert "two" in raw.text
    assert (first.kind, last.kind) == ("prompt", "prompt")
    assert part.folded_to == path.stat().st_size


def test_a_line_that_the_state_of_a_run_cannot_use_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, RUN_ID)
    record = RunRecord(RUN_ID, str(uuid.uuid4()), "/", (), 0.0, 0).started(1, 0.0)
    run = Run(folder, record, Broadcast(), ClaudeCodec())
    folder.output.write_bytes(b"".join(LINES))
    apply = RunState.apply_output
    monkeypatch.setattr(
        RunState,
        "apply_output",
        lambda state, each: fail() if isinstance(each, TurnResult) else apply(state, each),
    )
    run.fold_new_lines()
    assert list(run.state.asks) == ["r"]
