"""Following the output of a run: the same lines for every follower, parsed once in a worker."""

from __future__ import annotations

import gc
import json
import uuid
from collections import Counter
from dataclasses import field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.messages import Message
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.output_follower import OutputFollower
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.parsed_lines import MOST_LINES
from opcode_htmx.runs.model.record import Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.transcript.conversation.conversation import Conversation

LINES = st.lists(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")) | st.just(b""), max_size=12
)


@dataclass(frozen=True)
class CountingCodec(ClaudeCodec):
    parsed: Counter[bytes] = field(default_factory=Counter)

    def parse(self, line: bytes) -> Message:
        self.parsed[line] += 1
        return ClaudeCodec.parse(self, line)


@pytest.fixture
def codec() -> CountingCodec:
    return CountingCodec()


@pytest.fixture
def run(tmp_path: Path, codec: CountingCodec) -> Run:
    return run_in(tmp_path, codec)


def run_in(root: Path, codec: ClaudeCodec) -> Run:
    folder = RunFolder.create(root, uuid.uuid4().hex)
    record = RunRecord(folder.path.name, str(uuid.uuid4()), "/", (), 0.0, 0).started(1, 0.0)
    folder.store(record)
    return Run(folder, record, Broadcast(), codec)


def said(number: int) -> bytes:
    content = [{"type": "text", "text": f"number {number}"}]
    message = {"id": f"m{number}", "content": content}
    return json.dumps({"type": "assistant", "uuid": f"u{number}", "message": message}).encode()


def say(run: Run, *numbers: int) -> list[bytes]:
    """Claude writes these lines."""
    lines = [said(number) for number in numbers]
    append(run, b"".join(line + b"\n" for line in lines))
    return lines


def append(run: Run, data: bytes) -> None:
    with run.folder.output.open("ab") as file:
        file.write(data)


def end(run: Run) -> None:
    """The run is over, and its last lines are folded."""
    run.fold_new_lines(last=True)
    run.conclude(run.record.ended(RunEnd(Outcome.COMPLETED, 1.0, "Claude ended.", 0, 0)))


def conversation_of(run: Run) -> Conversation:
    return Conversation(
        run.record.session_id,
        runs=lambda: [run],
        history_file=lambda: None,
        changed=run.changed,
    )


def data(follower: OutputFollower, *, last: bool = False) -> list[bytes]:
    return [line.data for line in follower.read(last)]


def test_a_page_and_two_programs_have_each_line_parsed_once(run: Run, codec: CountingCodec) -> None:
    conversation = conversation_of(run)
    programs = [OutputFollower(run, needs_messages=True) for _ in range(2)]
    conversation.refresh()
    written: list[bytes] = []
    taken: list[list[bytes]] = [[], []]
    for number in range(0, 30, 3):
        written += say(run, number, number + 1, number + 2)
        # as it happens: one program, the run's own greenlet, the other program, the page
        taken[0] += [line.data for line in programs[0].read() if line.message]
        run.fold_new_lines()
        taken[1] += [line.data for line in programs[1].read() if line.message]
        conversation.refresh()
    assert taken == [written, written]
    assert len(list(conversation.blocks())) == 30
    assert codec.parsed == Counter(written)


def test_lines_of_an_ended_run_are_parsed_once_for_page_and_state(
    run: Run, codec: CountingCodec
) -> None:
    written = say(run, *range(3 * MOST_LINES))
    run.folder.store(run.record.ended(RunEnd(Outcome.COMPLETED, 1.0, "Claude ended.", 0, 0)))
    later = Run(run.folder, run.folder.load(), Broadcast(), codec)
    conversation = conversation_of(later)
    conversation.refresh()
    assert len(list(conversation.blocks())) >= len(written)
    assert later.read_to == run.folder.output.stat().st_size
    assert codec.parsed == Counter(written)


def test_a_program_that_needs_only_lines_has_nothing_parsed(run: Run, codec: CountingCodec) -> None:
    program = OutputFollower(run)
    written = say(run, *range(10))
    assert data(program) == written
    assert codec.parsed == Counter()


def test_a_program_that_reads_an_old_run_has_nothing_parsed(run: Run, codec: CountingCodec) -> None:
    written = say(run, *range(10))
    run.folder.store(run.record.ended(RunEnd(Outcome.COMPLETED, 1.0, "Claude ended.", 0, 0)))
    later = Run(run.folder, run.folder.load(), Broadcast(), codec)
    assert data(OutputFollower(later), last=True) == written
    assert codec.parsed == Counter()


def test_lagging_follower_gets_every_line_and_holds_none(run: Run) -> None:
    slow, fast = (OutputFollower(run, needs_messages=True) for _ in range(2))
    written = say(run, *range(10))
    lines = slow.read()
    assert next(lines).data == written[0]
    for number in range(10, 5 * MOST_LINES, 10):
        written += say(run, *range(number, number + 10))
        assert len(data(fast)) >= 10
    run.fold_new_lines()
    assert run.lines.line_after(slow.offset) is None
    assert [line.data for line in lines] == written[1:]
    written += say(run, -1)
    assert data(slow) == data(fast) == written[-1:]


def test_lines_are_released_with_the_last_follower(run: Run) -> None:
    left, dropped = OutputFollower(run), OutputFollower(run)
    say(run, 1)
    run.fold_new_lines()
    assert run.lines.line_after(0)
    left.close()
    del dropped
    gc.collect()
    before = run.read_to
    say(run, 2)
    run.fold_new_lines()
    assert run.lines.line_after(0) is None
    assert run.lines.line_after(before) is None


def test_a_run_that_is_over_keeps_no_lines(run: Run) -> None:
    follower = OutputFollower(run)
    written = say(run, 1, 2)
    end(run)
    assert run.lines.line_after(0) is None
    assert data(follower, last=True) == written


def test_follower_of_a_removed_folder_reads_its_open_file(run: Run) -> None:
    written = say(run, 1, 2)
    run.fold_new_lines()
    kept, other = OutputFollower(run), OutputFollower(run)
    with kept.keep_open():
        run.folder.output.unlink()
        assert data(kept) == written
        assert data(other) == []


@given(LINES, st.binary(max_size=9), st.lists(st.integers(0, 400), max_size=6), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_from_any_offset_the_lines_are_those_of_the_file_however_it_grows(
    tmp_path: Path, lines: list[bytes], rest: bytes, cuts: list[int], draw: st.DataObject
) -> None:
    """Also from the middle of a line, and in any order of readers."""
    whole = b"".join(line + b"\n" for line in lines) + rest
    run = run_in(tmp_path, ClaudeCodec())
    offsets = draw.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=3))
    followers = [OutputFollower(run, offset, needs_messages=True) for offset in offsets]
    got: list[list[tuple[int, bytes]]] = [[] for _ in followers]
    written = 0
    for cut in (*sorted(cuts), len(whole)):
        append(run, whole[written:cut])
        written = max(written, min(cut, len(whole)))
        for number in draw.draw(st.lists(st.integers(-1, len(followers) - 1), max_size=4)):
            if number < 0:
                run.fold_new_lines()
            else:
                got[number] += [(each.end, each.data) for each in followers[number].read()]
    end(run)
    for number, follower in enumerate(followers):
        got[number] += [(each.end, each.data) for each in follower.read(last=True)]
        alone = LineReader(run.folder.output, offsets[number])
        assert got[number] == list(alone.read(last=True)), offsets
        assert follower.offset == alone.offset
