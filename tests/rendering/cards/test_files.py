"""What is read, searched and edited is shown on cards; the lines and words of a diff."""

from __future__ import annotations

import pytest

from opcode_htmx.lib.coerce import Json
from opcode_htmx.markup import diff
from tests.rendering.cards.cards import PROJECT, done, failed, text_of, view

# --- files ----------------------------------------------------------------------------------


def test_a_file_that_was_read_shows_its_lines_without_the_numbers_of_the_cli() -> None:
    file = {"content": "a\nb", "startLine": 120, "numLines": 2, "totalLines": 300}
    for details, output in (({"file": file}, "120\ta\n121\tb"), (None, "   120→a\n   121→b")):
        shown = done("Read", details, output, file_path=f"{PROJECT}/a.txt")
        assert (shown.summary, shown.place) == ("a.txt", "120–121")
        assert text_of(shown.shown) == "a\nb"
        assert shown.shown is not None and shown.shown.numbers == "120\n121"


def test_a_file_that_was_read_whole_says_how_long_it_is() -> None:
    file = {"content": "a", "startLine": 1, "numLines": 1, "totalLines": 1}
    assert done("Read", {"file": file}, "1\ta", file_path="/a").outcome == "1 line"


def test_file_content_is_highlighted_by_file_name() -> None:
    file = {"content": "import a", "startLine": 1}
    shown = done("Read", {"file": file}, "", file_path="/a.py").shown
    assert shown is not None and shown.spans[0] == ("k", "import")


def test_failed_read_shows_its_error() -> None:
    shown = failed("Read", "File does not exist.", file_path="/a", offset=5, limit=2)
    assert (shown.place, text_of(shown.shown)) == ("5–6", "File does not exist.")


def test_a_notebook_shows_its_cells() -> None:
    printed = [{"output_type": "stream", "text": "1\n"}, {"output_type": "x"}, 7]
    code = {"cellType": "code", "source": "x = 1", "execution_count": 3, "outputs": printed}
    cells = [code, {"cellType": "markdown", "source": "# y"}, 5]
    shown = done("Read", {"type": "notebook", "file": {"cells": cells}}, "<cell>", file_path="/a")
    assert text_of(shown.shown) == "In [3]:\nx = 1\nOut [3]:\n1\n\n# y\n\n"
    assert shown.outcome == "2 cells"


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ({"mode": "files_with_matches", "numFiles": 9, "filenames": ["a"]}, "9 files"),
        ({"numFiles": 1, "filenames": ["a"]}, "1 file"),
        ({"mode": "content", "numLines": 3, "content": "a"}, "3 lines"),
        ({"mode": "count", "numMatches": 2, "numFiles": 1}, "2 matches"),
        ({"numFiles": 100, "totalMatches": 1204, "truncated": True}, "100 of 1,204 files"),
        (None, ""),
    ],
)
def test_a_search_says_how_much_it_found(details: Json | None, outcome: str) -> None:
    assert done("Grep", details, "a", pattern="x").outcome == outcome


def test_search_results_are_relative_to_the_project() -> None:
    details = {"numFiles": 2, "filenames": [f"{PROJECT}/a/b", "/c"]}
    assert text_of(done("Glob", details, "Found", pattern="*").shown) == "a/b\n/c"


def test_an_edit_shows_the_lines_that_change_and_counts_them() -> None:
    shown = view("Edit", file_path=f"{PROJECT}/a", old_string="a\nb\nc", new_string="a\nB\nb2\nc")
    assert (shown.summary, shown.added, shown.removed) == ("a", 2, 1)
    assert [(line.kind, line.text, line.old, line.new) for line in shown.changes] == [
        ("ctx", " a", None, None),
        ("del", "-b", None, None),
        ("add", "+B", None, None),
        ("add", "+b2", None, None),
        ("ctx", " c", None, None),
    ]
    assert shown.command is None


def test_applied_patch_overrides_the_requested_edit() -> None:
    patch = [{"oldStart": 7, "oldLines": 1, "newStart": 7, "newLines": 1, "lines": ["-x", "+y"]}]
    shown = view("Edit", {"structuredPatch": patch}, old_string="a", new_string="b")
    assert [(line.text, line.old, line.new) for line in shown.changes] == [
        ("-x", 7, None),
        ("+y", None, 7),
    ]


@pytest.mark.parametrize(
    ("name", "tool_input"),
    [
        ("Write", {"content": "a\nb"}),
        ("NotebookEdit", {"new_source": "a\nb"}),
        ("MultiEdit", {"edits": [{"old_string": "", "new_string": "a\nb"}, "nonsense"]}),
    ],
)
def test_writing_tools_show_the_written_text(name: str, tool_input: Json) -> None:
    assert diff.count(view(name, **tool_input).changes) == (2, 0)


def test_a_changed_cell_of_a_notebook_shows_the_difference() -> None:
    details = {"old_source": "x\ny", "new_source": "x\nz"}
    shown = done("NotebookEdit", details, notebook_path="/a", new_source="x\nz")
    assert (shown.added, shown.removed) == (1, 1)


def test_failed_edit_shows_its_error() -> None:
    shown = failed("Edit", "It has changed.", file_path="/a", old_string="a", new_string="b")
    assert text_of(shown.shown) == "It has changed."


# --- diffs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "patch",
    [None, 7, "text", [7], [{}], [{"lines": 7}], [{"lines": [7]}], [{"oldStart": [], "lines": []}]],
)
def test_malformed_patch_is_tolerated(patch: object) -> None:
    assert diff.from_patch(patch) == []


def test_a_line_of_a_diff_is_named_by_its_first_sign_and_numbered() -> None:
    no_end = "\\ No newline at end of file"
    hunks = [
        {"oldStart": 3, "newStart": 3, "lines": ["+a", "-b", " c", no_end]},
        {"oldStart": 9, "newStart": 9, "lines": ["", " d"]},
    ]
    assert [(each.kind, each.old, each.new) for each in diff.from_patch(hunks)] == [
        ("add", None, 3),
        ("del", 3, None),
        ("ctx", 4, 4),
        ("ctx", None, None),
        ("gap", None, None),
        ("ctx", 9, 9),
        ("ctx", 10, 10),
    ]
    assert diff.number_width(diff.from_patch(hunks)) == 2
    assert diff.number_width(diff.between("a", "b")) == 0


def marks(old: str, new: str) -> list[list[str]]:
    return [[text for style, text in each.marks if style] for each in diff.between(old, new)]


def test_the_words_that_changed_in_a_line_are_marked() -> None:
    assert marks("return x + 5", "return x - 5") == [["+"], ["-"]]
    assert marks("a = one(two)\nb = 1", "a = one(three)\nb = 2") == [
        ["two"],
        ["1"],
        ["three"],
        ["2"],
    ]
    assert marks("call(a)", "call(a, b)") == [[], [", b"]]


def test_lines_with_little_in_common_are_marked_as_a_whole() -> None:
    assert marks("return x", "while until_it_rains:") == [[], []]
    assert marks("x" * 500 + " a", "x" * 500 + " b") == [[], []]


def test_marks_do_not_change_the_text() -> None:
    for each in diff.between("a = 1\nb = 2\n c", "a = 3\nb  = 2\n\tc"):
        assert not each.marks or "".join(text for _, text in each.marks) == each.text[1:]
