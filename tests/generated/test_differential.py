"""A page made from history alone equals the live page, and both equal the context that Claude
resumes: over real CLI sessions with several drivers, rewinds, forks, compactions and more."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drift.job import JOB
from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.protocol import json_lines
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.transcript.blocks import (
    Block,
    BranchBlock,
    PromptBlock,
    TextBlock,
)
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.generated.plans import (
    AGENTS,
    COMPACTED,
    DESK,
    KILLED,
    PHONE,
    RESTARTED,
    REWOUND,
    REWOUND_IN_REWINDS,
    SPOKEN,
    TORN,
    TWO_THAT_LIVE,
    WORD,
    Clear,
    Compact,
    Desk,
    Fork,
    Interrupt,
    Kill,
    ParallelTools,
    Plan,
    Prompt,
    Restart,
    Rewind,
    Tool,
    Torn,
    generate,
)
from tests.generated.sessions import Session, played
from tests.support.cli.captured import fragments
from tests.support.fuzzing import chosen
from tests.support.history_parts import compare, small_parts
from tests.support.pages import dom

OF_RUNS_ALONE = {"ask", "summary", "notice", "error", "raw"}
"""The kinds of blocks about a run that only its stdout has."""

EMPTY = '<section id="transcript"></section>'

PLANS: dict[str, Plan] = {
    "a rewind": REWOUND,
    "a rewind with nothing behind it": (Prompt(), Prompt(), Prompt(), Rewind(to=1)),
    "a rewind to the beginning": (Prompt(), Prompt(), Rewind(to=0), Prompt()),
    "rewinds in rewinds": REWOUND_IN_REWINDS,
    "desks, and a restart": (Prompt(), Desk(), Desk(), Restart(), Prompt()),
    "a desk and a phone": (Prompt(), Desk(), Prompt(), Desk(), Prompt()),
    "a desk, and a restart": RESTARTED,
    "two that live": TWO_THAT_LIVE,
    "two that live on": (Prompt(), Prompt(DESK), Prompt(), Tool(DESK), ParallelTools()),
    "a desk, and a kill": KILLED,
    "a compaction": (Prompt(), Prompt(), Compact(), Prompt(), Rewind(to=3), Prompt()),
    "a kill": (Prompt(), ParallelTools(), Kill(), Prompt(), Interrupt(), Prompt()),
    "agents": AGENTS,
    "a clear": (Prompt(), Clear(follow=True), Prompt(), Restart(), Prompt()),
    "a fork": (Prompt(), Prompt(), Rewind(to=1), Prompt(), Fork(), Prompt()),
    "a torn line": TORN,
    "a line torn near its end": (Prompt(), Prompt(), Torn(size=200), Prompt()),
    "a desk and a compaction": (Prompt(), Prompt(), Prompt(DESK), Compact(), Prompt(DESK)),
    "a rewind behind a compaction": COMPACTED,
    "a question, a plan, files": generate(3, wide=True),
    "the job of the drift check": JOB,
    **{f"wide seed {seed}": generate(seed, wide=True) for seed in range(5)},
    **{f"seed {seed}": generate(seed) for seed in range(4)},
}


# Most of these are played for test_generated_sessions.py or test_drift.py, too.
PLAYED = chosen(
    PLANS,
    *("rewinds in rewinds", "a desk, and a restart", "two that live", "a desk, and a kill"),
    *("a torn line", "a rewind behind a compaction", "the job of the drift check", "wide seed 4"),
)


@pytest.fixture(scope="module", params=PLAYED.values(), ids=list(PLAYED))
def session(request: pytest.FixtureRequest, claude: Path) -> Session:
    capture = played(claude, request.param)
    # the first one of the job has most of its steps, before its `/clear`
    return capture.sessions[0] if request.param is JOB else capture.session


class Files:
    """The files of a captured session, as they grow again."""

    def __init__(self, session: Session, root: Path) -> None:
        self.session = session
        self.history = root / f"{session.id}.jsonl"
        self.folder = root / "runs"
        self.runs: list[Run] = []
        beside = self.history.with_suffix("") / "subagents"
        for name, content in session.agents.items():
            beside.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(content)

    def conversation(self, *, runs: bool = True) -> Conversation:
        return Conversation(
            self.session.id,
            runs=lambda: self.runs if runs else [],
            history_file=lambda: self.history if self.history.exists() else None,
            changed=Broadcast(),
        )

    def grow(self, size: int) -> None:
        """The history file has this many bytes."""
        self.history.write_bytes(self.session.history[:size])

    def begin(self, start: int, sent: Sequence[bytes]) -> Run:
        run_id = uuid.uuid4().hex
        folder = RunFolder.create(self.folder, run_id)
        folder.input_log.write_bytes(b"".join(sent))
        at = float(len(self.runs))
        record = RunRecord(run_id, self.session.id, "/home/me", ("claude",), at, start, 1, at)
        folder.store(record)
        self.runs.append(Run(folder, record, Broadcast(), ClaudeCodec()))
        return self.runs[-1]

    def end(self, run: Run, size: int) -> None:
        end = RunEnd(Outcome.COMPLETED, run.record.created_at, "Claude ended.", 0, size)
        run.folder.store(run.record.ended(end))

    def play(self) -> Iterator[None]:
        """Write the runs' output and the shared history step by step."""
        chance = random.Random(7)  # noqa: S311  # no secret
        # a run that came here by `/clear` is shown on the page of the session that it began in
        runs = [each for each in self.session.runs if each.session_id == self.session.id]
        size = 0
        for captured in [each for each in runs if each.driver == PHONE]:
            size = min(captured.history_start, len(self.session.history))
            self.grow(size)
            yield
            run = self.begin(size, captured.sent)
            for share in (*sorted(chance.random() for _ in range(4)), 1.0):
                written = captured.stdout[: int(share * len(captured.stdout))]
                run.folder.output.write_bytes(written)
                most = self.size_without(uuids_in(captured.stdout) - uuids_in(written), size)
                most = min(most, captured.history_end)
                size = most if share == 1.0 else chance.randint(size, most)
                self.grow(size)
                yield
            self.end(run, captured.history_end)
            yield
        self.grow(len(self.session.history))
        yield

    def size_without(self, uuids: set[str], begin: int) -> int:
        """How far the history goes behind byte `begin` before it names one of these lines.

        What a run says is on stdout first, or at once afterwards."""
        end = 0
        for line in self.session.lines:
            if end >= begin and uuids & uuids_in(line):
                return end
            end += len(line)
        return end


def uuids_in(lines: bytes) -> set[str]:
    found = (json_lines.read(line) for line in lines.splitlines())
    return {str(each.content["uuid"]) for each in found if each and "uuid" in each.content}


def spoken(blocks: Sequence[Block]) -> tuple[str, ...]:
    """The words of prompts and answers in these blocks, without collapsed branches."""
    texts = [
        "".join(block.source) if isinstance(block, TextBlock) else block.text
        for block in blocks
        if isinstance(block, TextBlock | PromptBlock) and block.line_uuid
    ]
    words = [word for text in texts for word in WORD.findall(text) if word.startswith(SPOKEN)]
    return tuple(dict.fromkeys(words))


def folded(blocks: Sequence[Block]) -> set[str]:
    return {word for b in blocks if isinstance(b, BranchBlock) for word in spoken(b.children)}


def shape(
    blocks: Sequence[Block], known: set[str], *, of_agent: bool = False
) -> list[tuple[str, str]]:
    """The facts about these blocks that history contains: their kinds, ids and content.

    `known` are the lines that it holds. When Claude is killed, or the machine loses its power,
    what stdout said last is missing there.
    """
    return [
        each
        for block in blocks
        if block.kind not in OF_RUNS_ALONE
        and (block.line_uuid in known or of_agent or isinstance(block, BranchBlock))
        for each in [
            (block.kind, block.id),
            *shape(block.children, known, of_agent=not isinstance(block, BranchBlock)),
        ]
    ]


@pytest.fixture
def files(session: Session, tmp_path: Path) -> Files:
    return Files(session, tmp_path)


def test_live_page_equals_the_page_from_history(files: Files) -> None:
    for _ in files.play():
        pass
    live, past = files.conversation(), files.conversation(runs=False)
    for conversation in (live, past):
        conversation.refresh()
    words, known = set(files.session.words), uuids_in(files.session.history)
    assert [word for word in spoken([*live.blocks()]) if word in words] == [
        *spoken([*past.blocks()])
    ]
    assert folded([*live.blocks()]) & words == folded([*past.blocks()])
    assert shape([*live.blocks()], known) == shape([*past.blocks()], known)


def test_visible_blocks_match_the_context_of_claude(session: Session, tmp_path: Path) -> None:
    files = Files(session, tmp_path)
    files.grow(len(session.history))
    conversation = files.conversation(runs=False)
    conversation.refresh()
    blocks = [*conversation.blocks()]
    words = [word for word in spoken(blocks) if not word.startswith("DATE")]
    goes_on = [word for word in session.goes_on_from or () if not word.startswith("DATE")]
    # in front of a compaction stands what Claude knows by its summary
    assert words[len(words) - len(goes_on) :] == goes_on
    if not any(word.startswith("DATE") for word in session.words):
        assert words == goes_on
    assert folded(blocks).isdisjoint(goes_on)


def test_history_read_from_its_end_equals_the_whole(files: Files) -> None:
    files.grow(len(files.session.history))
    with small_parts():
        compare(files.history)


def test_followed_page_equals_a_fresh_load(files: Files) -> None:
    """The files grow by pieces that end anywhere, so that reads see incomplete lines."""
    render, conversation = fragments(), files.conversation()
    page, cursor = dom.parse(EMPTY), Cursor()
    for _ in files.play():
        conversation.refresh()
        if conversation.gone:  # the file was cut behind its back: the page is loaded anew
            conversation, page, cursor = files.conversation(), dom.parse(EMPTY), Cursor()
            conversation.refresh()
        changes = render.changes(conversation.changes_since(cursor))
        cursor = conversation.cursor
        dom.apply(page, changes)
        dom.apply(page, changes)  # what arrives twice changes nothing
    fresh = files.conversation()
    fresh.refresh()
    assert fresh.cursor == cursor
    whole = "".join(render.block(block) for block in fresh.blocks())
    assert str(page) == str(dom.parse(f'<section id="transcript">{whole}</section>'))
