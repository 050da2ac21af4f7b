"""What stands on the page at the end of runs: what they left open, and what is gone."""

from __future__ import annotations

import shutil
import uuid

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.transcript.blocks import PromptBlock
from opcode_htmx.transcript.conversation.conversation import Conversation
from tests.support.cli.captured import line
from tests.support.cli.supervision import finish, to_stop
from tests.transcript.conversation.conversations import (
    RESULT,
    Session,
    answer,
    prompt,
    say,
    text_of,
    turn,
    words,
)


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
    last = [
        f"{b.kind} {text_of(b)}" for b in conversation.blocks() if b.kind in ("notice", "error")
    ]
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
        assert text_of(read).strip() == "/login is broken"
        assert [change.block for change in server.changes_since(seen)] == [refused, read]
        assert server.changes_since(server.cursor) == []
