"""The kinds of hooks with their fields. Pure.

Fields that only the installed CLI names get a control by their type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from opcode_htmx.engines.claude.config.redaction import HIDDEN
from opcode_htmx.engines.claude.config.settings_schema import SettingsSchema
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass


class Control(StrEnum):
    """What a field is edited with."""

    TEXT = "text"
    CODE = "code"
    PROSE = "prose"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    LIST = "list"
    """One text a line."""
    HEADERS = "headers"
    """Lines of the form `Name: value`, whose values are secret."""
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a hook. `is_main`: shown at once, the others are folded away."""

    name: str
    label: str
    control: Control
    help: str = ""
    choices: tuple[str, ...] = ()
    is_main: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class HookKind:
    """A kind of hook; `form` is the part of the CLI's schema, empty if it gives none."""

    type: str
    label: str
    summary: str
    fields: tuple[Field, ...]
    form: Json


IF = Field(
    "if",
    "Only if",
    Control.TEXT,
    "A permission rule such as Bash(git *): the hook runs only for a tool call that it matches.",
)
TIMEOUT = Field(
    "timeout", "Seconds at most", Control.NUMBER, "Empty: Claude's own limit.", is_main=True
)
FAILURE = Field(
    "onFailure",
    "If it fails",
    Control.CHOICE,
    "Fails: it cannot start or takes too long, or its answer makes no sense. Block: what it guards "
    "is not done then.",
    ("continue", "block"),
)
STATUS = Field("statusMessage", "Message while it runs", Control.TEXT)
ONCE = Field("once", "Only once in a session", Control.SWITCH)
COMMON = (STATUS, ONCE)


def _prompt(help_text: str) -> tuple[Field, ...]:
    text = Field("prompt", "Prompt", Control.PROSE, help_text, is_main=True, is_required=True)
    model = Field("model", "Model", Control.TEXT, "Empty: a small, fast one.", is_main=True)
    return text, model, TIMEOUT


KINDS = {
    kind.type: kind
    for kind in (
        HookKind(
            "command",
            "Command",
            "Runs a command on this computer",
            (
                Field(
                    "command",
                    "Command",
                    Control.CODE,
                    "It gets the event as JSON on stdin. Exit code 2 blocks.",
                    is_main=True,
                    is_required=True,
                ),
                TIMEOUT,
                Field(
                    "async", "In the background", Control.SWITCH, "Claude does not wait.", (), True
                ),
                Field(
                    "args",
                    "Arguments",
                    Control.LIST,
                    "One on each line: the command is then started without a shell.",
                ),
                IF,
                FAILURE,
                Field(
                    "asyncRewake",
                    "In the background, and wake Claude",
                    Control.SWITCH,
                    "Exit code 2 tells Claude, even after its turn.",
                ),
                Field("shell", "Shell", Control.CHOICE, "", ("bash", "powershell")),
                *COMMON,
            ),
            {},
        ),
        HookKind(
            "http",
            "HTTP request",
            "Sends the event to an address",
            (
                Field(
                    "url",
                    "Address",
                    Control.TEXT,
                    "It gets the event as JSON by POST.",
                    is_main=True,
                    is_required=True,
                ),
                Field(
                    "headers",
                    "Headers",
                    Control.HEADERS,
                    f"Name: value, one on each line. {HIDDEN} keeps a value as it is.",
                    is_main=True,
                ),
                TIMEOUT,
                Field(
                    "allowedEnvVars",
                    "Variables in headers",
                    Control.LIST,
                    "Names of environment variables that headers may use as $NAME.",
                ),
                IF,
                FAILURE,
                *COMMON,
            ),
            {},
        ),
        HookKind(
            "prompt",
            "Prompt",
            "Asks a small model, which may say no",
            (
                *_prompt("$ARGUMENTS stands for the event as JSON."),
                IF,
                Field(
                    "continueOnBlock",
                    "Go on after a no",
                    Control.SWITCH,
                    "Claude gets the reason, and the turn does not end.",
                ),
                *COMMON,
            ),
            {},
        ),
        HookKind(
            "agent",
            "Agent",
            "Has an agent verify something with tools",
            (*_prompt("What to verify. $ARGUMENTS stands for the event as JSON."), IF, *COMMON),
            {},
        ),
        HookKind(
            "mcp_tool",
            "MCP tool",
            "Calls a tool of an MCP server",
            (
                Field("server", "Server", Control.TEXT, "", is_main=True, is_required=True),
                Field("tool", "Tool", Control.TEXT, "", is_main=True, is_required=True),
                Field(
                    "input",
                    "Arguments",
                    Control.JSON,
                    'As JSON; texts may use the event, such as "${tool_input.file_path}".',
                    is_main=True,
                ),
                TIMEOUT,
                IF,
                FAILURE,
                *COMMON,
            ),
            {},
        ),
    )
}


def kinds_of(schema: SettingsSchema | None) -> Mapping[str, HookKind]:
    """The kinds of this CLI, by their `type`."""
    described = {_type(form): form for form in (schema.hook_forms() if schema else ())}
    if not described:
        return KINDS
    found = {}
    for name, form in described.items():
        kind = KINDS.get(name) or HookKind(name, name, str(form.get("description", "")), (), {})
        properties = form["properties"]
        known = {field.name for field in kind.fields}
        fields = [field for field in kind.fields if field.name in properties]
        required = form.get("required", ())
        fields += [
            _field(key, value, key in required)
            for key, value in properties.items()
            if key not in known and key != "type" and isinstance(value, dict)
        ]
        found[name] = replace(kind, fields=tuple(fields), form=form)
    order = list(KINDS)
    return dict(sorted(found.items(), key=lambda each: (*order, each[0]).index(each[0])))


def _type(form: Json) -> str:
    return str(form["properties"]["type"]["const"])


def _field(name: str, schema: Json, is_required: bool) -> Field:
    match schema:
        case {"type": "string", "enum": [*choices]}:
            control, names = Control.CHOICE, tuple(map(str, choices))
        case {"type": "string"}:
            control, names = Control.TEXT, ()
        case {"type": "boolean"}:
            control, names = Control.SWITCH, ()
        case {"type": "number" | "integer"}:
            control, names = Control.NUMBER, ()
        case {"type": "array", "items": {"type": "string"}}:
            control, names = Control.LIST, ()
        case _:
            control, names = Control.JSON, ()
    help_text = str(schema.get("description", ""))
    return Field(name, name, control, help_text, names, is_required, is_required)


def main_text(config: Json) -> str:
    """What a hook does, on one line."""
    match config:
        case {"type": "command", "command": str(command), "args": list(args)}:
            return " ".join([command, *map(str, args)])
        case {"type": "mcp_tool", "server": str(server), "tool": str(tool)}:
            return f"{server}: {tool}"
        case {"command": str(text)} | {"url": str(text)} | {"prompt": str(text)}:
            return text
        case _:
            return json.dumps(config, ensure_ascii=False)
