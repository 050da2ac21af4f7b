"""History and runs in one order: what stands on the page of a session, and where."""

from __future__ import annotations

import pytest

from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.transcript.blocks import ToolBlock, ToolState
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support.cli.captured import fragments, line
from tests.support.cli.supervision import finish
from tests.support.pages import dom
from tests.transcript.conversation.conversations import (
    RESULT,
    Session,
    prompt,
    say,
    shown,
    text_of,
    turn,
    words,
)


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


@pytest.mark.parametrize("in_history", [True, False])
def test_a_call_that_a_run_was_stopped_at_is_shown_once_after_going_on(
    session: Session, in_history: bool
) -> None:
    use = {"type": "tool_use", "id": "call", "name": "Bash", "input": {"command": "sleep 60"}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    run = session.begin()
    say(run, *turn("one"), call)
    session.note(*turn("one"), call)
    finish(run, 0)

    def result(call_id: str, text: str) -> bytes:
        made = {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": True}
        return line(type="user", uuid=f"r-{call_id}-{len(text)}", message={"content": [made]})

    unknown = (
        "[Tool call interrupted: the session ended before this call's result was recorded, so "
        "its outcome is unknown.]"
    )
    if in_history:
        session.note(result("call", unknown))
    run = session.begin()
    if not in_history:
        say(run, result("call", unknown))
    say(run, *turn("two"))

    def tools(conversation: Conversation) -> list[tuple[str, ToolState, str]]:
        conversation.refresh()
        found = (each for each in conversation.blocks() if isinstance(each, ToolBlock))
        return [(each.name, each.state, each.output) for each in found]

    conversation = session.conversation()
    interrupted = ("Bash", ToolState.INTERRUPTED, "")
    assert tools(conversation) == [interrupted]
    say(run, result("call", "killed"), result("another", unknown))
    found = [("Tool", ToolState.ERROR, text) for text in ("killed", unknown)]
    assert tools(conversation) == [interrupted, *found], "nothing that says more is left out"
    assert tools(session.conversation()) == [interrupted, *found]


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
        [(text_of(block), *map(text_of, block.children)) for block in shown(session.conversation())]
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
