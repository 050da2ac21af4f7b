"""Claude's todo list: one list, whichever tools write it."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.transcript.todos import (
    Todo,
    done,
    headline,
    progress_text,
    todo_list,
)
from tests.support.cli.captured import line

A = {"content": "Dig", "activeForm": "Digging", "status": "completed"}
B = {"content": "Sow", "activeForm": "Sowing", "status": "in_progress"}
C = {"content": "Wait", "status": "pending"}


class Session:
    """Lines folded as a page folds them."""

    def __init__(self) -> None:
        self.transcript = Transcript("1", run_id="r")
        self._at = 0

    def feed(self, **fields: Any) -> None:
        self._at += 1
        self.transcript.feed(parser.parse(line(**fields)), self._at)

    def call(self, tool_id: str, name: str, parent: str | None = None, **tool_input: Any) -> None:
        use = {"type": "tool_use", "id": tool_id, "name": name, "input": tool_input}
        message = {"id": f"m-{tool_id}", "content": [use]}
        self.feed(type="assistant", uuid="u", message=message, parent_tool_use_id=parent)

    def result(self, tool_id: str, details: object = None, is_error: bool = False) -> None:
        content = {"type": "tool_result", "tool_use_id": tool_id, "content": "Task #9 created"}
        message = {"content": [{**content, "is_error": is_error}]}
        self.feed(type="user", uuid=f"u-{tool_id}", message=message, tool_use_result=details)

    def prompt(self, uuid: str) -> None:
        self.feed(type="user", uuid=uuid, message={"content": "Go on"})

    @property
    def list(self) -> list[tuple[str, str]]:
        return [(todo.text, todo.state) for todo in todo_list(self.transcript.todo_events)]


@pytest.fixture
def session() -> Session:
    return Session()


def test_the_newest_whole_list_is_the_list(session: Session) -> None:
    session.call("1", "TodoWrite", todos=[B, C])
    session.call("2", "TodoWrite", todos=[A, {**B, "status": "completed"}, C])
    assert session.list == [("Dig", "done"), ("Sow", "done"), ("Wait", "open")]


def test_a_list_that_was_refused_changes_nothing(session: Session) -> None:
    session.call("1", "TodoWrite", todos=[B])
    session.call("2", "TodoWrite", todos=[A, B, C])
    session.result("2", is_error=True)
    assert session.list == [("Sow", "now")]


def test_tasks_are_created_and_updated_one_by_one(session: Session) -> None:
    session.call("1", "TaskCreate", subject="Dig", activeForm="Digging")
    assert session.list == []
    session.result("1", {"task": {"id": "1", "subject": "Dig"}})
    session.call("2", "TaskCreate", subject="Sow")
    session.result("2")  # only the text contains the id
    session.call("3", "TaskUpdate", taskId="1", status="in_progress")
    session.result("3", {"success": True})
    session.call("4", "TaskUpdate", taskId="9", subject="Sow beans")
    session.result("4", {"success": True})
    assert session.list == [("Dig", "now"), ("Sow beans", "open")]
    session.call("5", "TaskUpdate", taskId="1", status="deleted")
    session.result("5", {"success": True})
    session.call("6", "TaskUpdate", taskId="unknown", status="completed")
    session.result("6", {"success": False})
    assert session.list == [("Sow beans", "open")]


def test_the_list_of_a_subagent_is_its_own(session: Session) -> None:
    session.call("1", "Task", prompt="Look")
    session.call("2", "TodoWrite", parent="1", todos=[B])
    assert session.list == []


def test_a_list_that_is_done_stays_until_the_next_prompt(session: Session) -> None:
    session.prompt("p1")
    session.call("1", "TodoWrite", todos=[A])
    assert session.list == [("Dig", "done")]
    session.prompt("p2")
    assert session.list == []
    session.call("2", "TodoWrite", todos=[A, C])
    session.prompt("p3")
    assert session.list == [("Dig", "done"), ("Wait", "open")]


@pytest.mark.parametrize("todos", [None, 7, "text", [7], [{}], [{"content": 7}], {"a": 1}])
def test_a_list_in_an_unknown_shape_is_empty(session: Session, todos: object) -> None:
    session.call("1", "TodoWrite", todos=todos)
    assert session.list == []
    assert progress_text(todos) == "empty"


def test_todo_summary_states_progress_and_current_task() -> None:
    def todo(text: str, doing: str, state: str) -> Todo:
        return Todo(text, text, doing, state)

    todos = [todo("Dig", "Digging", "done"), todo("Sow", "Sowing", "now"), todo("Wait", "", "open")]
    assert (done(todos), headline(todos)) == (1, "Sowing")
    assert headline(todos[:1]) == ""
    assert headline([todos[0], todos[2]]) == "Wait"
    assert progress_text([A, B, C]) == "1 of 3 done"
