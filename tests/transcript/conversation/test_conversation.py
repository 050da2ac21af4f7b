"""History and runs in one order: the blocks of a session's page, and the meaning of cursors."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.rendering.fragments import Fragments, dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import CHUNK
from opcode_htmx.runs.model.record import Outcome, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.transcript.blocks import (
    Block,
    PromptBlock,
    TextBlock,
    ToolBlock,
)
from opcode_htmx.transcript.conversation import history_part
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support.cli.captured import (
    Captured,
    capture,
    fragments,
    line,
)
from tests.support.cli.supervision import (
    CODEC,
    finish,
    owned,
    to_stop,
)
from tests.support.pages import dom

SESSION = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


@dataclass
class Session:
    """The files of one session, as Claude and this server write them."""

    root: Path
    runs: list[Run] = field(default_factory=list)

    @property
    def history(self) -> Path:
        return self.root / f"{SESSION}.jsonl"

    def conversation(self) -> Conversation:
        """A conversation that has read nothing yet, as in another server."""
        return Conversation(
            SESSION,
            runs=lambda: self.runs,
            history_file=lambda: self.history if self.history.exists() else None,
            changed=Broadcast(),
        )

    def note(self, *lines: bytes) -> None:
        """Claude appends to its history."""
        with self.history.open("ab") as file:
            file.write(b"".join(lines))

    def size(self) -> int:
        return self.history.stat().st_size if self.history.exists() else 0

    def begin(self) -> Run:
        """A run as the supervisor makes it, without its process."""
        run_id = uuid.uuid4().hex
        folder = RunFolder.create(self.root / "runs", run_id)
        record = RunRecord(
            id=run_id,
            session_id=SESSION,
            project_path=str(self.root),
            argv=("claude",),
            created_at=float(len(self.runs)),
            history_start=self.size(),
        )
        folder.store(record)
        run = owned(folder, record, lambda _: self.size())
        self.runs.append(run)
        return run


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def prompt(text: str) -> bytes:
    return line(type="user", uuid=f"p-{text}", message={"content": text}, isReplay=True)


def answer(text: str) -> bytes:
    message = {"id": f"m-{text}", "content": [{"type": "text", "text": text}]}
    return line(type="assistant", uuid=f"u-{text}", message=message)


def turn(text: str) -> tuple[bytes, bytes]:
    return prompt(text), answer(f"{text}!")


RESULT = line(type="result", subtype="success", uuid="", is_error=False)


def say(run: Run, *lines: bytes) -> None:
    """Claude writes to its stdout."""
    with run.folder.output.open("ab") as file:
        file.write(b"".join(lines))


def words(conversation: Conversation) -> list[str]:
    """The texts on the page."""
    conversation.refresh()
    return [_text(block) for block in conversation.blocks() if block.kind != "summary"]


def _text(block: Block) -> str:
    return "".join(block.source) if isinstance(block, TextBlock) else getattr(block, "text", "")


# --- what stands on the page ----------------------------------------------------------------


def test_a_session_without_files_is_empty(session: Session) -> None:
    conversation = session.conversation()
    assert words(conversation) == []
    assert conversation.cursor == Cursor()
    assert conversation.run is None


def test_a_session_of_the_terminal_is_its_history(session: Session) -> None:
    session.note(*turn("one"), *turn("two"))
    assert words(session.conversation()) == ["one", "one!", "two", "two!"]


def test_a_new_session_is_its_run(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"))
    session.note(*turn("one"))
    conversation = session.conversation()
    assert words(conversation) == ["one", "one!"]
    assert conversation.run is run


def test_a_resumed_session_is_its_history_and_then_the_run(session: Session) -> None:
    session.note(*turn("one"))
    run = session.begin()
    say(run, *turn("two"))
    session.note(*turn("two"))
    assert words(session.conversation()) == ["one", "one!", "two", "two!"]


def test_terminal_activity_between_two_runs_is_shown_between_them(
    session: Session,
) -> None:
    conversation = session.conversation()
    shown: list[str] = []
    for number in (1, 3):
        run = session.begin()
        say(run, *turn(f"run {number}"), RESULT)
        session.note(*turn(f"run {number}"))
        shown += [f"run {number}", f"run {number}!"]
        assert words(conversation) == shown
        finish(run, 0)
        assert words(conversation) == shown
        session.note(*turn(f"terminal {number + 1}"))
        shown += [f"terminal {number + 1}", f"terminal {number + 1}!"]
        assert words(conversation) == shown
    assert words(session.conversation()) == shown


def test_repeated_line_in_another_part_gets_its_own_id(session: Session) -> None:
    """Else a page would put updates of the second one in the place of the first."""
    use = {"type": "tool_use", "id": "call", "name": "Bash", "input": {"command": "true"}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    result = {"type": "tool_result", "tool_use_id": "call", "content": "again"}
    session.note(*turn("one"), call)
    conversation, page = session.conversation(), dom.parse('<section id="transcript"></section>')
    conversation.refresh()
    dom.apply(page, fragments().changes(conversation.changes_since(Cursor())))
    seen = conversation.cursor
    run = session.begin()
    say(run, *turn("one"), call, line(type="user", uuid="r", message={"content": [result]}))
    conversation.refresh()
    ids = [block.id for block in conversation.blocks()]
    assert len(ids) == len(set(ids)) == 6
    assert [block.output for block in conversation.blocks() if isinstance(block, ToolBlock)] == [
        "",
        "again",
    ]
    assert all(conversation.block(id_) for id_ in ids)
    dom.apply(page, fragments().changes(conversation.changes_since(seen)))
    assert [node.id for node in page.elements[0].elements] == list(map(dom_id, ids))


def test_terminal_session_is_followed_live(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"), RESULT)
    session.note(*turn("one"))
    finish(run, 0)
    conversation = session.conversation()
    words(conversation)
    for number in range(3):
        session.note(prompt(f"terminal {number}"))
        assert words(conversation)[-1] == f"terminal {number}"


def test_a_run_that_has_not_ended_hides_the_history_that_it_writes(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"))
    session.note(*turn("one"))
    conversation = session.conversation()
    assert words(conversation) == ["one", "one!"]
    second = session.begin()  # the first one does not end in time
    say(second, *turn("two"))
    session.note(*turn("two"))
    assert words(conversation) == ["one", "one!", "two", "two!"]
    finish(run, None)
    assert words(conversation)[:2] == ["one", "one!"]
    assert words(conversation).count("two") == words(session.conversation()).count("two") == 1


@pytest.mark.parametrize("odd", [None, [], {}, 5, True, "lost", "p-one"])
def test_lines_with_odd_links_beside_a_run_are_shown(session: Session, odd: object) -> None:
    run = session.begin()
    say(run, *turn("one"))
    message = {"role": "user", "content": "elsewhere"}
    fields = {"parentUuid": odd, "logicalParentUuid": odd, "leafUuid": odd, "cutUuid": odd}
    session.note(*turn("one"), line(type="user", uuid="odd", message=message, **fields))
    session.note(line(type="last-prompt", explicit=True, rewound=True, **fields))
    finish(run, 0)
    assert "elsewhere" in str(
        [(_text(block), *map(_text, block.children)) for block in shown(session.conversation())]
    )


def test_run_is_behind_until_its_next_prompt(session: Session) -> None:
    run = session.begin()
    uuids = ["p1", "a1", "report", "p2", "a2"]
    kinds = ["user", "assistant", "user", "user", "assistant"]
    message = {"id": "m", "role": "user", "content": [{"type": "text", "text": "x"}]}
    own = [line(type=k, uuid=u, message=message) for k, u in zip(kinds, uuids, strict=True)]
    conversation, behind = session.conversation(), list[bool]()

    def goes_on(number: int, parent: str) -> None:
        say(run, own[number])
        source = {"promptSource": "sdk"} if uuids[number].startswith("p") else {}
        entry = {"type": kinds[number], "uuid": uuids[number], "message": message, **source}
        session.note(line(**entry, parentUuid=parent))
        conversation.refresh()
        behind.append(conversation.is_behind)

    goes_on(0, "")
    goes_on(1, "p1")
    desk = {"type": "user", "message": {"content": "DESK"}, "promptSource": "typed"}
    session.note(line(**desk, uuid="d", parentUuid="a1"), line(type="last-prompt", leafUuid="d"))
    goes_on(2, "a1")  # the model was changed, say
    goes_on(3, "report")
    goes_on(4, "p2")
    assert behind == [False, False, True, False, False]


def shown(conversation: Conversation) -> list[Block]:
    conversation.refresh()
    return list(conversation.blocks())


def test_tool_left_unfinished_by_a_terminal_ends(session: Session) -> None:
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    session.note(line(type="assistant", uuid="u", message={"id": "m", "content": [use]}))
    conversation = session.conversation()
    states = []
    for begin in (lambda: None, session.begin):
        begin()
        conversation.refresh()
        states += [getattr(block, "state", "") for block in conversation.blocks()]
    assert states == ["running", "interrupted"]


def test_half_a_line_is_not_shown_before_it_is_whole(session: Session) -> None:
    run = session.begin()
    half, rest = answer("all of it")[:40], answer("all of it")[40:]
    say(run, prompt("one"), half)
    conversation = session.conversation()
    assert words(conversation) == ["one"]
    say(run, rest)
    assert words(conversation) == ["one", "all of it"]


def test_half_a_line_at_the_end_of_a_run_is_shown_as_it_came(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"), b'{"type":"assist')
    finish(run, -9)
    assert words(session.conversation())[:3] == ["one", "one!", '{"type":"assist']


@pytest.mark.parametrize(
    ("status", "stderr", "expected"),
    [
        (0, "", []),
        (0, "A warning.\n", ["notice A warning."]),
        (3, "It broke.\nBadly.\n", ["error Claude ended with exit status 3.\nIt broke.\nBadly."]),
    ],
)
def test_end_of_a_run_yields_its_notice(
    session: Session, status: int, stderr: str, expected: list[str]
) -> None:
    run = session.begin()
    say(run, *turn("one"), RESULT)
    run.folder.errors.write_text(stderr)
    conversation = session.conversation()
    conversation.refresh()
    cursor = conversation.cursor
    # the replayed prompt opened a turn and the result closed it
    run.fold_new_lines()
    finish(run, status)
    conversation.refresh()
    last = [f"{b.kind} {_text(b)}" for b in conversation.blocks() if b.kind in ("notice", "error")]
    assert last == expected
    # and an up-to-date viewer receives it
    kinds = [change.block.kind for change in conversation.changes_since(cursor)]
    assert kinds == [each.split()[0] for each in expected]


def test_a_run_that_a_person_stopped_is_no_error(session: Session) -> None:
    run = session.begin()
    say(run, prompt("one"))
    run.folder.errors.write_text("Terminated.\n")
    to_stop(run, Outcome.CANCELLED, "Stopped by you.")
    finish(run, 143)
    conversation = session.conversation()
    assert words(conversation) == ["one", "Terminated."]
    assert [block.kind for block in conversation.blocks()] == ["prompt", "notice"]


def test_run_with_a_deleted_folder_is_rendered_from_history(
    session: Session,
) -> None:
    session.note(*turn("before"))
    run = session.begin()
    say(run, *turn("run"), RESULT)
    session.note(*turn("run"))
    finish(run, 0)
    session.note(*turn("after"))
    shutil.rmtree(run.folder.path)
    expected = ["before", "before!", "run", "run!", "after", "after!"]
    assert words(session.conversation()) == expected
    # and likewise in a server that never knew of the run
    session.runs.clear()
    assert words(session.conversation()) == expected


def test_page_keeps_its_blocks_when_the_run_folder_is_removed(
    session: Session,
) -> None:
    run = session.begin()
    say(run, *turn("run"), RESULT)
    conversation = session.conversation()
    assert words(conversation) == ["run", "run!"]
    shutil.rmtree(run.folder.path)
    assert words(conversation) == ["run", "run!"]


def test_the_cost_of_a_turn_is_known_from_the_first_run_on(session: Session) -> None:
    """The earlier cost in the terminal is in none of our lines."""

    def costs(conversation: Conversation) -> list[float | None]:
        conversation.refresh()
        return [getattr(b, "cost_usd", 0) for b in conversation.blocks() if b.kind == "summary"]

    def result(total: float) -> bytes:
        return line(type="result", uuid="", total_cost_usd=total)

    fresh = session.begin()
    say(fresh, prompt("one"), result(1.0), result(1.5))
    session.note(prompt("one"))
    finish(fresh, 0)
    assert costs(session.conversation()) == [1.0, 0.5]
    resumed = session.begin()
    say(resumed, prompt("two"), result(2.0), result(2.25))
    assert costs(session.conversation()) == [1.0, 0.5, None, 0.25]


def test_refused_command_resent_as_text_is_shown_once(
    session: Session,
) -> None:
    prompt_id = str(uuid.uuid4())
    first = session.begin()
    first.folder.input_log.write_bytes(encoder.prompt_line(prompt_id, "/login is broken"))
    say(first, line(type="result", uuid="r", user_message_uuids=[prompt_id], num_turns=0))
    conversation = session.conversation()
    assert words(conversation) == ["/login is broken"]
    finish(first, 0)
    seen = conversation.cursor
    second = session.begin()
    message = {"role": "user", "content": " /login is broken"}
    text_id = encoder.as_text_id(prompt_id)
    second.folder.input_log.write_bytes(encoder.prompt_line(text_id, " /login is broken"))
    say(second, line(type="user", uuid=text_id, isReplay=True, message=message))
    for server in (conversation, session.conversation()):
        server.refresh()
        refused, read = (block for block in server.blocks() if block.kind == "prompt")
        assert isinstance(refused, PromptBlock)
        assert refused.sent_as_text
        assert _text(read).strip() == "/login is broken"
        assert [change.block for change in server.changes_since(seen)] == [refused, read]
        assert server.changes_since(server.cursor) == []


# --- refreshing -----------------------------------------------------------------------------


def test_refreshing_again_changes_nothing(session: Session) -> None:
    session.note(*turn("one"))
    run = session.begin()
    say(run, *turn("two"), RESULT)
    conversation = session.conversation()
    conversation.refresh()
    blocks, cursor = list(conversation.blocks()), conversation.cursor
    for _ in range(3):
        conversation.refresh()
    assert all(one is other for one, other in zip(conversation.blocks(), blocks, strict=True))
    assert conversation.cursor == cursor
    assert conversation.changes_since(cursor) == []


def test_run_older_than_the_history_ends_no_later_block(
    session: Session,
) -> None:
    finish(session.begin(), 0)
    session.note(prompt("go on"))
    conversation = session.conversation()
    conversation.refresh()
    first = conversation.cursor
    conversation.refresh()
    assert conversation.cursor == first
    assert conversation.changes_since(first) == []


def test_refreshing_reads_on_from_where_it_was(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    first = list(conversation.blocks())
    say(run, *turn("two"))
    conversation.refresh()
    assert [block is other for block, other in zip(conversation.blocks(), first, strict=False)] == [
        True,
        True,
    ]
    assert len(list(conversation.blocks())) == 4


def test_concurrent_refreshes_neither_duplicate_nor_mix_blocks(session: Session) -> None:
    """The files are large, so that both yield to each other in the middle."""
    filler = "x" * 500
    session.note(*(answer(f"past {number} {filler}") for number in range(1500)))
    run = session.begin()
    say(run, *(answer(f"run {number} {filler}") for number in range(1500)))
    assert session.size() > 2 * CHUNK
    conversation = session.conversation()
    turns: list[int] = []

    def refresh(number: int) -> None:
        turns.append(number)
        conversation.refresh()
        turns.append(number)

    gevent.joinall([gevent.spawn(refresh, number) for number in range(3)], raise_error=True)
    assert turns[:3] == [0, 1, 2]  # they did run at once
    said = [_text(block).split()[:2] for block in conversation.blocks()]
    assert said == [[kind, str(n)] for kind in ("past", "run") for n in range(1500)]


def test_refresh_in_the_middle_of_a_line_delivers_its_rest(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a subagent did comes in front of one line, and that may take a while."""
    call = {"type": "tool_use", "id": "t1", "name": "Task", "input": {"prompt": "look"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    session.note(
        line(type="assistant", uuid="u1", message={"id": "m1", "content": [call]}),
        line(
            type="user",
            uuid="u2",
            message={"content": [result]},
            toolUseResult={"agentId": "a1"},
        ),
    )
    beside = session.history.with_suffix("") / "subagents"
    beside.mkdir(parents=True)
    (beside / "agent-a1.jsonl").write_bytes(b"".join(answer(f"step {n}") for n in range(3)))
    conversation, seen = session.conversation(), list[tuple[Cursor, int]]()

    def said() -> int:
        return sum(len(block.children) for block in conversation.blocks())

    class Looking:
        def step(self) -> None:
            seen.append((conversation.cursor, said()))

    monkeypatch.setattr(history_part, "TimeSlicer", Looking)
    conversation.refresh()
    assert {number for _, number in seen} == {0, 1, 2, 3}
    for cursor, number in seen:
        assert number == said() or conversation.changes_since(cursor), (cursor, number)


# --- cursors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ":",
        "1",
        "1:",
        ":1",
        "-1:2",
        "1:-2",
        "1.5:2",
        "1:2",
        "1:2:3:",
        "1:2:3:x",
        " 1:2:3",
        "1:2:3\n",
        "٣:٤:٥",
        "9" * 99,
    ],
)
def test_invalid_cursor_means_the_beginning(text: str) -> None:
    assert Cursor.parse(text) == Cursor(0, 0)


def test_cursor_round_trips_through_its_text() -> None:
    for cursor in (Cursor(3, 12345, 67), Cursor(3, 12345, 67, ("a1", "b2"))):
        assert Cursor.parse(str(cursor)) == cursor
    most = 999_999_999_999_999
    assert Cursor.parse(f"999999:{most}:{most}") == Cursor(999_999, most, most)


def stages(session: Session) -> list[Callable[[], object]]:
    """Events of a session, step by step."""
    runs: list[Run] = []

    def begin() -> None:
        runs.append(session.begin())

    return [
        lambda: session.note(*turn("one")),
        lambda: session.note(prompt("two")),
        lambda: session.note(answer("two!")),
        begin,
        lambda: say(runs[-1], prompt("three")),
        lambda: say(runs[-1], answer("three!"), RESULT),
        lambda: session.note(*turn("three")),
        lambda: finish(runs[-1], 1),
        lambda: session.note(*turn("four")),
        begin,
        lambda: say(runs[-1], *turn("five"), RESULT),
        lambda: session.note(*turn("five")),
        lambda: finish(runs[-1], 0),
        begin,
        lambda: say(runs[-1], prompt("six")),
        lambda: finish(runs[-1], 0),
        lambda: session.note(*turn("seven")),
    ]


def test_changes_since_any_cursor_are_complete(session: Session) -> None:
    """Also across segments, also when it was away, also by another server."""
    render = fragments()
    conversation = session.conversation()
    viewers: list[tuple[Cursor, dom.Node]] = []
    for stage in stages(session):
        conversation.refresh()
        viewers.append((conversation.cursor, _page(conversation, render)))
        stage()
    conversation.refresh()
    other = session.conversation()
    other.refresh()
    assert other.cursor == conversation.cursor
    final = str(_page(conversation, render))
    assert str(_page(other, render)) == final
    for server in (conversation, other):
        for cursor, page in viewers:
            again = dom.parse(str(page))
            dom.apply(again, render.changes(server.changes_since(cursor)))
            assert str(again) == final


def _page(conversation: Conversation, render: Fragments) -> dom.Node:
    blocks = "".join(render.block(block) for block in conversation.blocks())
    return dom.parse(f'<section id="transcript">{blocks}</section>')


def test_cursor_at_the_end_has_no_changes(session: Session) -> None:
    session.note(*turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    assert conversation.changes_since(conversation.cursor) == []


def test_cursor_of_a_removed_run_gets_everything(session: Session) -> None:
    session.note(*turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    everything = conversation.changes_since(Cursor())
    assert conversation.changes_since(Cursor(99, 0)) == everything != []


def test_a_block_is_found_by_its_id_in_whichever_segment(session: Session) -> None:
    session.note(*turn("one"))
    run = session.begin()
    say(run, *turn("two"))
    conversation = session.conversation()
    conversation.refresh()
    assert [conversation.block(f"p-{text}") for text in ("one", "two")] == [
        block for block in conversation.blocks() if block.kind == "prompt"
    ]
    assert conversation.block("p-three") is None


def test_page_of_a_real_run_is_the_same_from_its_folder_and_from_history(
    session: Session, captured: Captured
) -> None:
    run = session.begin()
    say(run, *captured.stdout)
    session.note(*captured.history)
    run.fold_new_lines()
    finish(run, 0)
    conversation = session.conversation()
    conversation.refresh()
    live = [b.id for b in conversation.blocks() if b.kind not in ("ask", "summary")]
    shutil.rmtree(run.folder.path)
    conversation = session.conversation()
    conversation.refresh()
    assert [block.id for block in conversation.blocks()] == live
    assert len(live) > 40


def test_run_ended_by_another_worker_precedes_the_next_run(
    session: Session,
) -> None:
    owned_there = session.begin()
    seen_here = Run(owned_there.folder, owned_there.folder.load(), Broadcast(), CODEC)
    session.runs[0] = seen_here
    conversation = session.conversation()
    conversation.refresh()
    finish(owned_there, 1)  # not reported to this worker yet
    second = session.begin()
    say(second, *turn("two"), RESULT)
    conversation.refresh()
    cursor = conversation.cursor
    assert words(conversation) == ["Claude ended with exit status 1.", "two", "two!"]
    assert conversation.changes_since(cursor) == []
