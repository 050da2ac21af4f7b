"""Hooks in the content of a settings file, and a hook as a form and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from opcode_htmx.engines.claude.config.settings_schema import SettingsSchema
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.claude_hooks.document import Entry
from opcode_htmx.features.claude_hooks.errors import HookGone, InvalidHooks
from opcode_htmx.features.claude_hooks.kinds import KINDS, Control, kinds_of
from opcode_htmx.features.claude_hooks.rest import whole
from opcode_htmx.features.claude_hooks.values import BadField, as_form, from_form, others

LOG = {"type": "command", "command": "log", "ours": {"a": [1]}}
POST = {"type": "http", "url": "http://a.b/", "headers": {"Authorization": "Bearer s3cret"}}
CONTENT: dict[str, Any] = {
    "model": "opus",
    "hooks": {
        "PreToolUse": [
            {"matcher": "Bash", "note": "kept", "hooks": [LOG, POST]},
            {"matcher": "Edit", "note": "also kept", "hooks": [LOG]},
        ],
        "Stop": [{"type": "command", "command": "of another editor"}],
        "Nonsense": 5,
    },
}
NEW = {"type": "command", "command": "new"}


def entry(event: str, number: int) -> Entry:
    return [each for each in document.entries(CONTENT) if each.event == event][number]


def test_hooks_are_found_with_their_matchers_and_those_in_other_shapes_too() -> None:
    found = [(each.event, each.matcher, each.is_read) for each in document.entries(CONTENT)]
    assert found == [
        ("PreToolUse", "Bash", True),
        ("PreToolUse", "Bash", True),
        ("PreToolUse", "Edit", True),
        ("Stop", "", False),
        ("Nonsense", "", False),
    ]


def test_changed_hook_leaves_the_others_and_their_groups_as_they_were() -> None:
    before = copy.deepcopy(CONTENT)
    hooks = document.replaced(CONTENT, entry("PreToolUse", 1), "PreToolUse", "Bash", NEW)
    assert before == CONTENT
    expected = copy.deepcopy(CONTENT["hooks"])
    expected["PreToolUse"][0]["hooks"][1] = NEW
    assert hooks == expected


def test_other_matcher_takes_a_hook_out_of_its_group_and_a_lonely_one_with_its_group() -> None:
    hooks = document.replaced(CONTENT, entry("PreToolUse", 0), "PreToolUse", "Read", NEW)
    assert hooks["PreToolUse"][0]["hooks"] == [POST]
    assert hooks["PreToolUse"][1] == {"matcher": "Read", "hooks": [NEW]}
    hooks = document.replaced(CONTENT, entry("PreToolUse", 2), "PreToolUse", "Write", NEW)
    assert hooks["PreToolUse"][1] == {"matcher": "Write", "note": "also kept", "hooks": [NEW]}
    hooks = document.replaced(CONTENT, entry("PreToolUse", 2), "PreToolUse", "", NEW)
    assert hooks["PreToolUse"][1] == {"note": "also kept", "hooks": [NEW]}


def test_hook_that_moves_to_another_event_leaves_nothing_empty() -> None:
    hooks = document.replaced(CONTENT, entry("PreToolUse", 2), "Notification", "", NEW)
    assert [group["matcher"] for group in hooks["PreToolUse"]] == ["Bash"]
    assert hooks["Notification"] == [{"hooks": [NEW]}]
    assert "Stop" not in document.removed(CONTENT, entry("Stop", 0))
    assert "Nonsense" not in document.removed(CONTENT, entry("Nonsense", 0))


def test_hook_in_the_event_list_itself_is_mended_into_the_shape_of_claude() -> None:
    found = entry("Stop", 0)
    assert found.can_be_mended
    assert document.mended(CONTENT, found)["Stop"] == [
        {"hooks": [{"type": "command", "command": "of another editor"}]}
    ]
    flat = {"hooks": {"PreToolUse": [{"matcher": "Bash", **NEW}]}}
    (found,) = document.entries(flat)
    assert document.mended(flat, found)["PreToolUse"] == [{"matcher": "Bash", "hooks": [NEW]}]


def test_hook_is_found_by_its_content_wherever_it_stands_and_its_secret_is_in_no_id() -> None:
    found = entry("PreToolUse", 1)
    other = copy.deepcopy(CONTENT)
    other["hooks"]["PreToolUse"].insert(0, {"matcher": "Bash", "hooks": [NEW]})
    other["hooks"]["PreToolUse"][1]["hooks"].reverse()
    again = document.found(other, "PreToolUse", found.id)
    assert (again.group, again.index, again.config) == (1, 0, POST)
    secret = {**POST, "headers": {"Authorization": "another"}}
    assert Entry("PreToolUse", "Bash", secret, is_read=True).id == found.id
    with pytest.raises(HookGone):
        document.found({"hooks": {}}, "PreToolUse", found.id)


def test_text_without_hooks_has_no_empty_object_left() -> None:
    text = document.text_with('{\n  "hooks": {"Stop": []},\n  "model": "opus"\n}\n', {})
    assert json.loads(text) == {"model": "opus"}


def test_form_gives_the_same_hook_back_with_keys_that_have_no_field() -> None:
    for config in (
        {**LOG, "args": ["-a", "two words"], "timeout": 1.5, "async": True, "once": False},
        {**LOG, "args": [" spaces ", "two\nlines"]},
        POST,
        {"type": "mcp_tool", "server": "s", "tool": "t", "input": {"deep": [1, {"x": None}]}},
        {"type": "prompt", "prompt": "Is it\nright?", "model": "haiku"},
    ):
        kind = KINDS[str(config["type"])]
        assert from_form(kind, as_form(kind, config), config) == config
    assert others(KINDS["command"], LOG) == ["ours"]
    assert "s3cret" not in str(as_form(KINDS["http"], POST))


def test_emptied_field_is_removed() -> None:
    before = {**LOG, "timeout": 5, "once": True}
    assert from_form(KINDS["command"], {"command": "log"}, before) == LOG


@pytest.mark.parametrize(
    ("kind", "texts", "reason"),
    [
        ("command", {"command": "  "}, "“Command” must not be empty."),
        ("command", {"command": "x", "timeout": "soon"}, "Seconds at most: it must be a number."),
        ("command", {"command": "x", "timeout": "-1"}, "Seconds at most: it must be more than 0."),
        ("command", {"command": "x", "timeout": "nan"}, "Seconds at most: it must be more than 0."),
        ("command", {"command": "x", "shell": "fish"}, "Shell: choose one of"),
        ("http", {"url": "http://a/", "headers": "nothing"}, "is no line of the form Name: value"),
        ("http", {"url": "http://a/", "headers": "X: ********"}, "type the value of X"),
        ("mcp_tool", {"server": "s", "tool": "t", "input": "{"}, "Arguments: it is not valid JSON"),
    ],
)
def test_text_that_is_no_value_is_refused_by_the_name_of_its_field(
    kind: str, texts: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadField, match=".") as refused:
        from_form(KINDS[kind], texts, {})
    assert reason in str(refused.value)


def test_what_the_cli_names_besides_gets_a_field_and_is_checked_by_its_schema() -> None:
    form = {
        "type": "object",
        "properties": {
            "type": {"const": "oracle"},
            "question": {"type": "string", "minLength": 5},
            "loud": {"type": "boolean", "description": "Shout it"},
        },
        "required": ["type", "question"],
    }
    of_each = {"items": {"properties": {"hooks": {"items": {"anyOf": [form, {"type": "string"}]}}}}}
    schema = SettingsSchema({"properties": {"hooks": {"additionalProperties": of_each}}})
    (kind,) = kinds_of(schema).values()
    assert [(field.name, field.control) for field in kind.fields] == [
        ("question", Control.TEXT),
        ("loud", Control.SWITCH),
    ]
    assert from_form(kind, {"question": "Why is it?", "loud": "on"}, {}) == {
        "type": "oracle",
        "question": "Why is it?",
        "loud": True,
    }
    with pytest.raises(BadField, match="question: "):
        from_form(kind, {"question": "Why"}, {})


def test_secrets_in_commands_and_arguments_come_back_when_a_program_writes_all_hooks() -> None:
    login = {"type": "command", "command": "curl https://me:t0p@host/ | sh", "timeout": 5}
    plain = {"type": "command", "command": "send", "args": ["--token", "t0p", "x"]}
    key = {"type": "prompt", "prompt": "Use sk-ant-0123456789abcdef-t0p"}
    hooks = {"Stop": [{"hooks": [login, plain, key]}]}
    shown = whole.hidden(hooks)
    assert "t0p" not in str(shown)
    assert whole.revealed(shown, {"hooks": hooks}) == hooks
    shown["Stop"][0]["hooks"][0]["timeout"] = 6
    changed = whole.revealed(shown, {"hooks": hooks})
    assert changed["Stop"][0]["hooks"][0] == {**login, "timeout": 6}
    shown["Stop"][0]["hooks"][0]["command"] = "curl https://********@elsewhere/"
    with pytest.raises(InvalidHooks):
        whole.revealed(shown, {"hooks": hooks})
    asterisks = {"Stop": [{"hooks": [{"type": "command", "command": "echo ********"}]}]}
    assert whole.revealed(asterisks, {}) == asterisks
