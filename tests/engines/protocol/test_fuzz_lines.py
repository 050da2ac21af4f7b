"""Arbitrary lines of Claude: the parser, the reader of files, the state of a run."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opcode_htmx.api.service.session_lines import Cursor, Item, Kind
from opcode_htmx.api.sockets import chat_socket
from opcode_htmx.api.sockets.chat_events import ChatEventEncoder
from opcode_htmx.api.sockets.run_events import RunEventEncoder
from opcode_htmx.engines import messages as m
from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model import line_reader
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.line_reader import Line, LineReader
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState
from tests.support.cli.supervision import finish, owned
from tests.support.fuzzing import (
    HALF,
    HISTORY,
    RARE,
    STDOUT,
    changed,
    examples,
    in_place,
    patient,
    sessions,
    values,
)

pytestmark = patient

LINES = STDOUT + HISTORY + RARE

KNOWN = {
    *("stream_event", "assistant", "user", "attachment", "result", "cost-state", "system"),
    *("control_request", "control_cancel_request", "control_response", "command_lifecycle"),
    *("conversation_reset", "rate_limit_event"),
}


# --- the parser -----------------------------------------------------------------------------


@examples(150)
@given(changed(LINES))
@example(in_place(STDOUT[0], 100_000))
@example(b'{"type":"\\ud800","\\udfff":"\\ud83d"}')
@example(b'{"type":"result","total_cost_usd":NaN,"duration_ms":1e999,"num_turns":-Infinity}')
@example(b'{"type":"result","duration_ms":' + b"9" * 4000 + b"}")
@example(b'{"type":"user","message":{"content":"\\u0000"}}\0')
def test_a_line_with_anything_in_it_is_a_message_that_a_page_can_hold(line: bytes) -> None:
    message = parser.parse(line)
    assert isinstance(message, m.Message)
    repr_of(message).encode()
    if isinstance(message, m.Malformed):
        assert message.text == line.decode("utf-8", "replace")


def repr_of(message: m.Message) -> str:
    try:
        return str(message)
    except RecursionError:
        assert isinstance(message, m.Unknown)
        return message.type


@examples(100)
@given(
    st.dictionaries(st.text(max_size=5), values(), max_size=4),
    st.text(max_size=12).filter(lambda type_: type_ not in KNOWN and HALF not in type_),
)
def test_line_of_an_unknown_type_is_kept_whole(fields: Any, type_: str) -> None:
    fields.pop("isSidechain", None)
    raw = {**fields, "type": type_}
    message = parser.parse(json.dumps(raw).encode())
    assert isinstance(message, m.Unknown)
    assert message.type == type_
    assert json.dumps(message.raw) == as_json_has_it(raw)


def as_json_has_it(raw: Any) -> str:
    """Without halves of surrogate pairs, and without numbers that are none."""
    whole = re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(raw, ensure_ascii=False))
    return json.dumps(json.loads(whole, parse_constant=lambda _: None))


@examples(100)
@given(changed(LINES), st.text(max_size=9))
def test_a_line_of_a_subagents_file_is_a_message_too(line: bytes, parent: str) -> None:
    repr_of(parser.parse_of_subagent(line, parent))


# --- messages to API clients ----------------------------------------------------------------


@examples(50)
@given(sessions(LINES), st.integers(0, 60))
@example([in_place(RARE[-3], 400) + b"\n"], 0)
def test_any_claude_line_is_sent_to_programs_as_portable_json(
    tmp_path: Path, lines: list[bytes], live_from: int
) -> None:
    run = run_of(tmp_path / uuid.uuid4().hex)
    chat, events = ChatEventEncoder("session"), RunEventEncoder("session", turn_open=True)
    frames: list[bytes] = []
    for number, line in enumerate(lines):
        item = Item(Kind.OUTPUT, run, line.rstrip(b"\n"), Cursor(run.id, number, 0))
        frames += events.frames(item)
        sent = list(chat.messages(item))
        if number == live_from:
            sent += chat.go_live()
        frames += [chat_socket._frame(message) for message in sent]
    finish(owned(run.folder, run.record), 1)
    run.refresh_record()
    end = Item(Kind.END, run, b"", Cursor(run.id, len(lines), 0))
    frames += [*events.frames(end), *(chat_socket._frame(each) for each in chat.messages(end))]
    messages = [json.loads(payload(frame), parse_constant=refuse) for frame in frames]
    assert [message for message in messages if message["type"] == "output"] != [] or not lines
    assert {message.get("session_id", message.get("sessionId")) for message in messages} == {
        "session"
    }
    assert [each["outcome"] for each in messages if each["type"] == "ended"] == ["failed"] * 2


def payload(frame: bytes) -> bytes:
    """Of a text frame that is not masked."""
    return frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10 :]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


# --- the reader of files --------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


PIECES = st.sampled_from(
    [b"", b"\n", b"\n\n", b" ", b"\r\n", b"\0", b"\xff\xfe", b"{}", b'{"a":1}\n', b"x" * 17]
) | st.binary(max_size=25)


@examples(100)
@given(
    st.lists(st.tuples(PIECES, st.sampled_from("-rhl")), max_size=30), st.sampled_from([1, 3, 8])
)
def test_any_reader_gets_each_line_once_with_the_same_offset(
    path: Path, steps: list[tuple[bytes, str]], chunk: int
) -> None:
    """Written in any pieces, read in between or not, in chunks that end anywhere."""
    path.write_bytes(b"")
    reader, got = LineReader(path), list[Line]()
    with pytest.MonkeyPatch.context() as patch, path.open("ab", buffering=0) as file:
        patch.setattr(line_reader, "CHUNK", chunk)
        for piece, then in steps:
            file.write(piece)
            match then:
                case "r":
                    got += reader.read()
                case "h":
                    with reader.keep_open():
                        got += reader.read()
                case "l":
                    reader.limit(path.stat().st_size // 2)
                    got += reader.read()
                    reader.limit(None)
        got += reader.read(last=True)
    data = b"".join(piece for piece, _ in steps)
    assert got == expected(data)
    assert reader.offset == len(data)


def expected(data: bytes) -> list[Line]:
    """The lines that say something, and where each of them ends."""
    found, end = [], 0
    *whole, rest = data.split(b"\n")
    for line in [*(line + b"\n" for line in whole), rest]:
        end += len(line)
        if line.strip():
            found.append(Line(end, line.removesuffix(b"\n")))
    return found


# --- the state of a run ---------------------------------------------------------------------

SENT = (
    encoder.prompt_line("00000000-0000-0000-0000-000000000001", "say it"),
    encoder.prompt_line("never", "sent"),
    encoder.allow_line("odd", {}, (), 1.0),
    encoder.deny_line("odd", "No.", 1.0),
    encoder.refusal_line("odd"),
    encoder.undelivered_line("never"),
    encoder.undelivered_line("odd"),
    encoder.control_line("opcode-interrupt", "interrupt", cancel_queued=True),
    encoder.initialize_line(),
    *(line for line in STDOUT if b"control_re" in line),
)


def check(state: RunState) -> None:
    """The invariants of any state."""
    assert state.waiting.items() <= state.sent.items()
    assert not state.asks.keys() & state.answered.keys()
    assert not state.unsupported.keys() & state.answered.keys()
    if state.phase is Phase.WAITING:
        assert state.asks, "nobody waits for an answer to nothing"
    if state.phase is Phase.IDLE:
        assert not state.asks, "an open question is not hidden"


@examples(40)
@given(sessions(STDOUT + RARE), sessions(SENT, most=6), st.lists(st.integers(0, 10**6), max_size=8))
def test_followed_state_equals_the_state_of_the_next_server(
    tmp_path: Path, out: list[bytes], into: list[bytes], cuts: list[int]
) -> None:
    """Folding a and then b is folding both, wherever the files were cut when one looked."""
    runs = tmp_path / uuid.uuid4().hex
    followed = run_of(runs)
    written, noted = b"".join(out), b"".join(into)
    done = done_in = 0
    for cut in sorted(cuts):
        end, end_in = cut * len(written) // 10**6, cut * len(noted) // 10**6
        append(followed.folder.output, written[done:end])
        append(followed.folder.input_log, noted[done_in:end_in])
        done, done_in = end, end_in
        followed.fold_new_lines()
        check(followed.state)
    append(followed.folder.output, written[done:])
    append(followed.folder.input_log, noted[done_in:])
    followed.fold_new_lines(last=True)
    check(followed.state)

    again = Run(followed.folder, followed.record, Broadcast(), ClaudeCodec())
    again.fold_new_lines(last=True)
    check(again.state)
    assert comparable(again.state) == comparable(followed.state)


def run_of(root: Path) -> Run:
    folder = RunFolder.create(root, uuid.uuid4().hex)
    record = RunRecord(folder.path.name, str(uuid.uuid4()), "/", (), 0.0, 0).started(1, 0.0)
    folder.store(record)
    return Run(folder, record, Broadcast(), ClaudeCodec())


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def comparable(state: RunState) -> dict[str, object]:
    """The part of the state that is independent of the order in which the two files are read."""
    names: Sequence[str] = ("turns", "session_id", "sent", "waiting", "unsupported", "answered")
    return {name: getattr(state, name) for name in names}
