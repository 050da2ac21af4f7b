"""A tool's card: its title and summary; and what a command printed."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.rendering import tool_cards
from opcode_htmx.rendering.tool_cards import CutText
from opcode_htmx.transcript.blocks import AskBlock, ToolBlock
from tests.rendering.cards.cards import done, failed, text_of, view

ODD_VALUES: list[Any] = [None, 7, [], {}, [[7]], {"a": {}}, "text", [{"question": 7}], float("nan")]


@pytest.mark.parametrize(
    ("name", "tool_input", "title", "summary"),
    [
        ("Bash", {"command": "make test", "description": "Test"}, "Bash", "make test"),
        ("Bash", {"command": "one\ntwo"}, "Bash", "one …"),
        ("Bash", {"command": "  \n", "description": "Test"}, "Bash", "Test"),
        ("Read", {"file_path": "/home/me/shop/src/a.py"}, "Read", "src/a.py"),
        ("Read", {"file_path": "/home/me/shopping/a.py"}, "Read", "/home/me/shopping/a.py"),
        ("Grep", {"pattern": "TODO", "path": "/home/me/shop"}, "Grep", '"TODO"'),
        ("Grep", {"pattern": "a", "path": "/home/me/shop/b"}, "Grep", '"a" in b'),
        ("Glob", {"pattern": "**/*.py"}, "Glob", "**/*.py"),
        ("WebFetch", {"url": "https://a.b/c", "prompt": "What?"}, "WebFetch", "a.b"),
        ("WebSearch", {"query": "rain"}, "WebSearch", '"rain"'),
        ("Task", {"description": "Look", "prompt": "at it"}, "Task", "Look"),
        ("Agent", {"prompt": "at it"}, "Task", "at it"),
        ("mcp__files__list_all", {}, "files: list_all", ""),
        ("mcp__a__b", {"limit": 3, "which": "these"}, "a: b", "these"),
        ("Next", {"command": ["of", "next", "year"]}, "Next", ""),
        ("TaskCreate", {"subject": "Dig"}, "New task", "Dig"),
        ("TaskUpdate", {"taskId": "1", "status": "in_progress"}, "Task", "#1 in progress"),
    ],
)
def test_card_summarises_a_tool_in_one_line(
    name: str, tool_input: Json, title: str, summary: str
) -> None:
    shown = view(name, **tool_input)
    assert (shown.title, shown.summary) == (title, summary)


def test_every_card_tolerates_malformed_data() -> None:
    for name in [*tool_cards._CARDS, "mcp__", "mcp__a", ""]:
        for value in ODD_VALUES:
            keys = "command file_path pattern query url prompt questions plan todos edits content"
            tool_input = dict.fromkeys([*keys.split(), "offset", "limit", "subject"], value)
            names = "file structuredPatch results filenames numFiles answers code mode stdout"
            for details in (value, dict.fromkeys(names.split(), value), {"file": {"cells": value}}):
                assert done(name, details, "out", **tool_input).title is not None
                assert failed(name, "out", **tool_input).title is not None


def test_command_is_shown_verbatim_and_other_input_as_json() -> None:
    assert view("Bash", command="a <b>\nc").command == CutText("a <b>\nc", 0, lines=2)
    assert view("Next", pattern="ä").command == CutText('{\n  "pattern": "ä"\n}', 0, lines=3)
    assert view("Read", file_path="/a").command is None
    assert view("Next").command is None


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert tool_cards.cut("x" * tool_cards.SHOWN_CHARACTERS).left_out == 0
    assert tool_cards.cut("x" * (tool_cards.SHOWN_CHARACTERS + 7)) == CutText(
        "x" * tool_cards.SHOWN_CHARACTERS, 7
    )


# --- commands -------------------------------------------------------------------------------


def test_a_command_that_failed_says_its_exit_status_once() -> None:
    shown = failed("Bash", "Exit code 3\n\x1b[31mred\x1b[0m\nerr", command="make")
    assert shown.outcome == "exit 3"
    assert shown.shown is not None
    assert shown.shown.spans == (("a1", "red"), ("", "\nerr"))


def test_command_shows_stdout_and_stderr() -> None:
    streams = {"stdout": "out\n", "stderr": "err"}
    assert text_of(done("Bash", streams, "out\nerr", command="make").shown) == "out\nerr"
    assert text_of(done("Bash", None, "out", command="make").shown) == "out"


def test_command_without_output_says_so() -> None:
    shown = done("Bash", {"stdout": ""}, "(Bash completed with no output)", command="true")
    assert (shown.note, shown.shown, shown.outcome) == ("It printed nothing.", None, "")


def test_background_command_card_says_so_and_omits_model_notes() -> None:
    details = {"stdout": "", "backgroundTaskId": "b1"}
    shown = done("Bash", details, "Command running in background with ID: b1.", command="serve")
    assert (shown.outcome, shown.shown) == ("in the background", None)


def test_cli_wrapper_around_a_result_is_removed() -> None:
    assert text_of(failed("Next", "<tool_use_error>No.</tool_use_error>").shown) == "No."
    noted = "a\n\n<system-reminder>\nBe brief.\n</system-reminder>\n"
    assert text_of(done("Next", None, noted).shown) == "a"


def test_whole_command_output_is_available_when_truncated_for_the_model() -> None:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name="Bash")
    block.output, block.details = "<persisted-output>\nToo large", {"stdout": "all of it"}
    assert tool_cards.full_text(block) == "all of it"


def test_truncated_call_on_a_card_links_to_the_whole() -> None:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name="Write")
    block.input, block.output = {"content": "a\n" * 300}, "Written."
    assert tool_cards.full_text(block) == "\n".join(["+a"] * 300)
    block.name, block.input = "Bash", {"command": "x" * 20_000}
    assert tool_cards.full_text(block) == "x" * 20_000 + "\n\nWritten."
    block.input = {"command": "short"}
    assert tool_cards.full_text(block) == "Written."


def test_truncated_request_links_to_the_whole() -> None:
    def asks(name: str, **tool_input: Any) -> str:
        request = PermissionRequest("r", name, tool_input, "t", "", "", ())
        return tool_cards.full_text(
            AskBlock(id="r", order="1", created=1, revision=1, request=request, run_id="")
        )

    assert asks("Bash", command="make") == "make"
    assert asks("Edit", old_string="a", new_string="b") == "-a\n+b"
    assert asks("Next", a=1) == '{\n  "a": 1\n}'


def test_dangerous_options_of_a_call_are_shown() -> None:
    assert view("Bash", command="x", dangerouslyDisableSandbox=True).note
    assert view("Edit", old_string="a", new_string="b", replace_all=True).note
    assert view("NotebookEdit", notebook_path="/a", edit_mode="delete").command is not None
    assert "javascript:" in str(view("WebFetch", url="javascript:a", prompt="b").command)
