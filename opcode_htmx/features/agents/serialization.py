"""The JSON object that an agent is stored, exported and imported as. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opcode_htmx.features.agents.model import LONGEST_HOOKS, Agent, AgentRefused, checked
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json, as_dict

OWN_KEY = "opcode_htmx"
"""What is beyond that document stands in it under this key."""
MOST_BYTES = 256 * 1024
"""Of a document."""
DEEPEST = 12
"""Levels of nesting in a document."""
_FIELDS = ("name", "icon", "system_prompt", "default_task", "model", "hooks")
_OWN_FIELDS = (
    *("permission_mode", "may_read_files", "may_write_files", "may_use_network"),
    *("allowed_tools", "denied_tools", "folders", "closed_paths", "replaces_prompt"),
)
_SWITCHES = ("may_read_files", "may_write_files", "may_use_network", "replaces_prompt")
_LISTS = ("allowed_tools", "denied_tools", "folders", "closed_paths")


def as_document(agent: Agent) -> Json:
    """The agent as the value of `agent` in an exported document."""
    own = {name: _plain(getattr(agent, name)) for name in _OWN_FIELDS}
    return {
        **agent.unknown,
        "name": agent.name,
        "icon": agent.icon,
        "system_prompt": agent.system_prompt,
        "default_task": agent.default_task or None,
        "model": agent.model or None,
        "hooks": json.dumps(agent.hooks, ensure_ascii=False) if agent.hooks else None,
        OWN_KEY: {**agent.unknown_own, **own},
    }


def of_document(found: Mapping[str, Any]) -> Agent:
    """The agent of such a value, checked. Raises AgentRefused."""
    own = found.get(OWN_KEY, {})
    if not isinstance(own, dict):
        raise AgentRefused(f"“{OWN_KEY}” must be an object.")
    values: dict[str, Any] = {}
    for name in ("name", "icon", "system_prompt", "default_task", "model"):
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            raise AgentRefused(f"“{name}” must be a text.")
        if value is not None:
            values[name] = value
    for name in _OWN_FIELDS:
        if name in own:
            values[name] = _own_value(name, own[name])
    values.setdefault("name", "")
    values["hooks"] = hooks_of(found.get("hooks"))
    return checked(
        Agent(
            **values,
            unknown={k: v for k, v in found.items() if k not in (*_FIELDS, OWN_KEY)},
            unknown_own={k: v for k, v in own.items() if k not in _OWN_FIELDS},
        )
    )


def hooks_of(value: object) -> Json:
    """Hooks of a document: an object, or one as JSON text. Raises AgentRefused."""
    if isinstance(value, str):
        if len(value) > LONGEST_HOOKS:
            raise AgentRefused(f"The hooks are longer than {LONGEST_HOOKS:,} characters.")
        try:
            value = bounded_json.loads(value, DEEPEST) if value.strip() else {}
        except ValueError as error:
            raise AgentRefused(f"The hooks are not valid JSON: {error}") from None
    if value is not None and not isinstance(value, dict):
        raise AgentRefused("Hooks are an object with a list for each event.")
    found = as_dict(value)
    inner = found.get("hooks")
    return as_dict(inner) if isinstance(inner, dict) and len(found) == 1 else found


def _own_value(name: str, value: object) -> object:
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise AgentRefused(f"“{name}” must be true or false.")
        return value
    if name in _LISTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise AgentRefused(f"“{name}” must be a list of texts.")
        return tuple(value)
    if not isinstance(value, str):
        raise AgentRefused(f"“{name}” must be a text.")
    return value


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
