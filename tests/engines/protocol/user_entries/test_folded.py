"""User entries in a file: each thing is shown once, and a session has its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opcode_htmx.rendering import search, to_markdown
from tests.engines.protocol.user_entries.entries import (
    bash_mode,
    fold_file,
    look,
    prompt_count,
    seen,
)
from tests.support.cli.captured import fold, fragments, line

# --- one thing once -------------------------------------------------------------------------


def test_output_belongs_to_the_command_that_its_line_follows() -> None:
    def user(uuid: str, content: str, parent: str = "") -> bytes:
        return line(type="user", uuid=uuid, parentUuid=parent, message={"content": content})

    first, second = (f"<bash-input>{name}</bash-input>" for name in ("one", "two"))
    lines = [
        user("a", first),
        user("b", second),
        user("c", "<bash-stdout>1</bash-stdout>", "a"),
        user("d", "<bash-stderr>2</bash-stderr>", "c"),
        user("e", "<bash-stdout>3</bash-stdout>", "elsewhere"),
        user("f", "words"),
        user("g", "<bash-stdout>4</bash-stdout>", "elsewhere"),
    ]
    expected = ["shell one | 1 | 2", "shell two | 3 | ", "prompt words", "shell  | 4 | "]
    assert [look(block) for block in fold(tuple(lines), run_id=None).blocks] == expected
    repeated = fold((*lines, *lines), run_id=None).blocks
    assert [look(block) for block in repeated] == expected, "each line counts once"


def test_duplicate_line_is_shown_and_counted_once(tmp_path: Path) -> None:
    entries = bash_mode()
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join(line(**each) for each in [*entries, *entries]))
    assert [look(block) for block in fold_file(path).blocks] == [
        "shell ls -la | total 8\nfile.txt | ls: <x>: no",
        "prompt what is in the folder",
        "text",
    ]
    assert prompt_count(path) == 1


def test_output_with_colours_is_a_terminal_and_an_error_is_an_error() -> None:
    def shown(output: str, tag: str = "stdout") -> str:
        content = f"<local-command-{tag}>{output}</local-command-{tag}>"
        event = line(type="system", subtype="local_command", uuid="u", content=content)
        (block,) = fold((event,), run_id=None).blocks
        return look(block)

    assert shown("\x1b[1mone\x1b[0m\ntwo") == "shell  | \x1b[1mone\x1b[0m\ntwo | "
    assert shown("\x1b[1mone\x1b[0m") == "notice one"
    assert shown("no \x1b[31msuch\x1b[0m thing", "stderr") == "error no such thing"


def test_notes_are_folded_and_found_by_search() -> None:
    note = "<user-memory-input>use tabs</user-memory-input>"
    blocks = fold((line(type="user", uuid="m", message={"content": note}),), run_id=None).blocks
    assert [look(block) for block in blocks] == ["notice Added to Claude's memory: use tabs"]
    assert "<details" in fragments().block(blocks[0])
    assert [hit.where for hit in search.find(blocks, "tabs")] == ["Notice"]
    assert "use tabs" in to_markdown.source(blocks[0])


# --- names ----------------------------------------------------------------------------------


def test_a_summary_names_the_session_whose_entry_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"

    def name(*entries: dict[str, Any]) -> str | None:
        path.write_bytes(b"".join(line(**each) for each in entries))
        return seen(path).name

    leaf = {"type": "user", "uuid": "leaf-1", "message": {"content": "hello"}}
    own = {"type": "summary", "summary": "Mine", "leafUuid": "leaf-1"}
    foreign = {"type": "summary", "summary": "Another's", "leafUuid": "leaf-2"}
    assert name(foreign, leaf) is None
    assert name(own, foreign, leaf) == "Mine"
    assert name(own, leaf, {**own, "summary": "Newer"}) == "Newer"
    assert name(own, leaf, {"type": "ai-title", "aiTitle": "By Claude"}) == "By Claude"
    assert name(leaf, {"type": "agent-name", "agentName": "x"}) is None
    assert name(leaf, {"type": "summary", "summary": "No leaf"}) is None
    filler = {"type": "assistant", "text": "x" * 100_000}
    assert name(foreign, own, *[filler] * 4, leaf, *[filler] * 4) == "Mine", "in mid-file"
