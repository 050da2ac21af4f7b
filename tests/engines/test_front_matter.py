"""The front matter of commands, skills and subagents: changed by lines, written by a library."""

from __future__ import annotations

import pytest
import yaml

from opcode_htmx.engines.claude.config.documents import front_matter
from opcode_htmx.engines.claude.config.documents.front_matter import HeaderRefused
from opcode_htmx.engines.claude.config.documents.kinds import InvalidName, Kind, checked_name

HEADER = """# of the team
name: x   # why it is called so
description: |
  one
  two
# between

hooks: {Stop: [1, 2]}
argument-hint: "[a]"
"""
TEXT = f"---\n{HEADER}---\nThe text.\n"


def test_only_the_lines_of_a_changed_field_are_replaced() -> None:
    found = front_matter.changed(TEXT, {"description": "three", "argument-hint": None})
    expected = HEADER.replace("description: |\n  one\n  two\n", "description: three\n")
    expected = expected.replace('argument-hint: "[a]"\n', "")
    assert found == f"---\n{expected}---\nThe text.\n"


def test_text_that_changes_nothing_stays_byte_for_byte() -> None:
    for text in (TEXT, TEXT.replace("\n", "\r\n"), "no header", "---\n---\nempty", ""):
        assert front_matter.changed(text, {}) == text


def test_new_field_is_added_below_the_others_with_the_line_ends_of_the_file() -> None:
    found = front_matter.changed("---\r\na: 1\r\n---\r\nText\r\n", {"model": "opus"}, "New\nText")
    assert found == "---\r\na: 1\r\nmodel: opus\r\n---\r\nNew\r\nText"


@pytest.mark.parametrize(
    "value",
    ["a: b", '"', "'", "- a", "*x", "# x", "a #b", "yes", "1e3", "0o17", "~", "null", "{", "---",
     "one\ntwo: three", " edge ", "é😀 \u2028", "tab\there", "[a] [b]", "%TAG", "@x", "`x`",
     "2026-01-01"],
)  # fmt: skip
def test_desktop_finding_yaml_was_not_escaped(value: str) -> None:
    """What is typed is what is read, and no other field comes of it."""
    written = front_matter.changed(TEXT, {"description": value})
    document = front_matter.parse(written)
    assert document.fields["description"] == value
    assert document.fields.keys() == front_matter.parse(TEXT).fields.keys()
    assert yaml.safe_load(document.header)["description"] == value
    assert document.body == "The text.\n"


def test_header_that_is_no_yaml_is_changed_by_the_look_of_its_lines() -> None:
    text = "---\ndescription: old\nargument-hint: [a] [b]\nother: kept\n---\n"
    assert front_matter.parse(text).problem
    found = front_matter.changed(text, {"description": "a: b", "argument-hint": "[a] [b]"})
    assert found == "---\ndescription: 'a: b'\nargument-hint: \"[a] [b]\"\nother: kept\n---\n"
    with pytest.raises(HeaderRefused):
        front_matter.changed(text, {"description": "'quoted' is read as it is"})


def test_header_on_one_line_is_left_to_the_editor() -> None:
    with pytest.raises(HeaderRefused):
        front_matter.changed("---\n{description: a, other: b}\n---\n", {"description": "c"})


def test_character_that_no_yaml_holds_is_refused() -> None:
    with pytest.raises(HeaderRefused):
        front_matter.changed(TEXT, {"description": "a\x00b"})


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "a/b", "a\\b", "/etc/passwd", "a:../b", "a::b", ":", "", ".hidden", "-x",
     "a\x00", "a b", "x.", "SKILL", "a" * 65, "a:b:c:d:e:f", "~", "con"],
)  # fmt: skip
def test_desktop_finding_names_of_commands_were_not_validated(name: str) -> None:
    with pytest.raises(InvalidName):
        checked_name(Kind.COMMAND, name)


def test_name_may_have_folders_if_it_is_that_of_a_command() -> None:
    assert checked_name(Kind.COMMAND, "/ops:deep:größe-2.x") == ["ops", "deep", "größe-2.x"]
    for kind in (Kind.SKILL, Kind.AGENT):
        with pytest.raises(InvalidName):
            checked_name(kind, "ops:deploy")
