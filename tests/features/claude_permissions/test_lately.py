"""The tool calls of the last weeks that a rule matched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.permissions.rulebook import PlacedRule
from opcode_htmx.engines.claude.permissions.rules import Behavior
from opcode_htmx.features.claude_permissions.lately import DAYS, LatelyMatched
from opcode_htmx.sessions.index.reader import IndexReader
from tests.sessions.index.histories import NOON, TWO, Searchable, Session

DAY = 86400


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Searchable]:
    made = Searchable(tmp_path)
    yield made
    made.indexer.close()


def call(session: Session, tool: str, days: float, **given: str) -> None:
    """A call of so many days ago."""
    part = {"type": "tool_use", "id": f"{tool}-{days}", "name": tool, "input": given}
    session.add("assistant", [part], at=time.time() - NOON - days * DAY)


def rule(text: str, behavior: Behavior = Behavior.ALLOW) -> PlacedRule:
    return PlacedRule(behavior, text, "user")


def test_matched_calls_are_found_the_newest_first_and_old_ones_are_not(index: Searchable) -> None:
    session = index.session()
    call(session, "Bash", DAYS + 1, command="git push old")
    call(session, "Bash", 2, command="git push one")
    call(session, "Bash", 1, command="git status && git push two")
    call(session, "Bash", 1, command="git pushed")
    call(session, "Read", 1, file_path="/home/me/shop/.env")
    other = index.session(TWO, "/srv/infra")
    call(other, "mcp__github__make", 1, title="x")
    call(other, "Write", 1, file_path="/srv/infra/src/a", content="x")
    index.update()
    lately = LatelyMatched(index.reader, Path("/home/me"))

    def subjects(text: str, behavior: Behavior = Behavior.ASK) -> list[str]:
        found = lately.of(rule(text, behavior), None)
        assert found is not None
        assert found.count == len(found.calls)
        return [call.subject for call in found.calls]

    assert subjects("Bash(git push:*)") == ["git status && git push two", "git push one"]
    # all of a command has to be allowed, and reading needs no rule
    pushed = ["git status && git push two", "git push one"]
    assert subjects("Bash(git push:*)", Behavior.ALLOW) == pushed
    assert subjects("Read(.env)") == ["/home/me/shop/.env"]
    assert subjects("Edit(src/**)") == ["/srv/infra/src/a"]
    assert subjects("mcp__github") == ["mcp__github__make"]
    assert subjects("Bash(make)") == []
    in_infra = lately.of(rule("Bash(git push:*)"), Path("/srv/infra"))
    assert in_infra is not None
    assert in_infra.count == 0


def test_without_an_index_nothing_is_said(tmp_path: Path) -> None:
    reader = IndexReader(tmp_path / "missing", tmp_path)
    assert LatelyMatched(reader, tmp_path).of(rule("Bash"), None) is None
