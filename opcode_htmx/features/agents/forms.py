"""The forms of an agent: their fields as an agent, and an agent as their fields."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opcode_htmx.features.agents.model import Agent, checked
from opcode_htmx.features.agents.serialization import hooks_of
from opcode_htmx.lib.coerce import Json
from opcode_htmx.web.http.forms import typed

SWITCHES = ("may_read_files", "may_write_files", "may_use_network", "replaces_prompt")
LISTS = ("allowed_tools", "denied_tools", "folders", "closed_paths")
TEXTS = ("name", "icon", "system_prompt", "default_task", "model", "permission_mode")


def fields_of(agent: Agent) -> dict[str, str]:
    """The texts of the form's controls; a switch is `on` or empty."""
    found = {name: str(getattr(agent, name)) for name in TEXTS}
    found |= {name: "on" if getattr(agent, name) else "" for name in SWITCHES}
    found |= {name: "\n".join(getattr(agent, name)) for name in LISTS}
    found["hooks"] = json.dumps(agent.hooks, ensure_ascii=False, indent=2) if agent.hooks else ""
    return found


def fields_in(form: Mapping[str, str]) -> dict[str, str]:
    """The same of a posted form."""
    found = {name: typed(form.get(name, "")) for name in (*TEXTS, *LISTS, "hooks")}
    return found | {name: "on" if form.get(name) else "" for name in SWITCHES}


def agent_of(fields: Mapping[str, str], unknown: Json, unknown_own: Json) -> Agent:
    """The agent of such fields, checked. Raises AgentRefused.

    `unknown` and `unknown_own` are the keys that have no control: they are kept.
    """
    return checked(
        Agent(
            name=fields["name"],
            icon=fields["icon"] or "bot",
            system_prompt=fields["system_prompt"],
            default_task=fields["default_task"],
            model=fields["model"],
            permission_mode=fields["permission_mode"],
            may_read_files=bool(fields["may_read_files"]),
            may_write_files=bool(fields["may_write_files"]),
            may_use_network=bool(fields["may_use_network"]),
            replaces_prompt=bool(fields["replaces_prompt"]),
            allowed_tools=_lines_of(fields["allowed_tools"]),
            denied_tools=_lines_of(fields["denied_tools"]),
            folders=_lines_of(fields["folders"]),
            closed_paths=_lines_of(fields["closed_paths"]),
            hooks=hooks_of(fields["hooks"]),
            unknown=unknown,
            unknown_own=unknown_own,
        )
    )


def _lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text field, without blank ones and duplicates."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
