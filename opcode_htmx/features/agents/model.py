"""An agent: its fields, their limits, and the document that it is stored and exported as. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from opcode_htmx.engines.claude.config import hook_rules
from opcode_htmx.engines.claude.permissions import limits, rules
from opcode_htmx.engines.claude.permissions.limits import Limits
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json, as_dict
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.model.permission_updates import BYPASS

FORMAT = 1
"""The version of the exported document, `.opcode.json`."""
OWN_KEY = "opcode_htmx"
"""What is beyond that document stands in it under this key."""
LONGEST_NAME = 80
LONGEST_PROMPT = 100_000
LONGEST_HOOKS = 50_000
MOST_RULES = 100
MOST_BYTES = 256 * 1024
"""Of a document."""
DEEPEST = 12
"""Levels of nesting in a document."""
MODES = ("", "default", "acceptEdits", "plan", "dontAsk", BYPASS)
ICONS = {
    "bot": "bot",
    "code": "code",
    "terminal": "terminal",
    "shield": "shield",
    "database": "storage",
    "globe": "globe",
    "file-text": "file",
    "git-branch": "branch",
    "search": "search",
    "book": "book",
    "chart": "chart",
    "bolt": "bolt",
}
"""The names that agents have, and the symbols that show them."""

_ICON = late_pattern(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_MODEL = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,127}", re.ASCII)
_FIELDS = ("name", "icon", "system_prompt", "default_task", "model", "hooks")
_OWN_FIELDS = (
    *("permission_mode", "may_read_files", "may_write_files", "may_use_network"),
    *("allowed_tools", "denied_tools", "folders", "closed_paths", "replaces_prompt"),
)
_SWITCHES = ("may_read_files", "may_write_files", "may_use_network", "replaces_prompt")
_LISTS = ("allowed_tools", "denied_tools", "folders", "closed_paths")
_ASIDE = late_pattern(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of text: with them a name reads as another one."""
_UNUSABLE = late_pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class AgentRefused(Exception):
    """A value that an agent cannot have; the text says why."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What a person has written. `hooks` are as in a settings file: lists by event."""

    name: str
    icon: str = "bot"
    system_prompt: str = ""
    default_task: str = ""
    model: str = ""
    permission_mode: str = ""
    may_read_files: bool = True
    may_write_files: bool = True
    may_use_network: bool = False
    replaces_prompt: bool = False
    """Whether the system prompt stands in the place of Claude's own."""
    allowed_tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    closed_paths: tuple[str, ...] = ()
    hooks: Json = field(default_factory=dict)
    unknown: Json = field(default_factory=dict)
    """Keys of an imported document that nobody here knows."""
    unknown_own: Json = field(default_factory=dict)
    """The same under our own key, of a later version of this program."""

    @property
    def symbol(self) -> str:
        """The symbol that shows its icon."""
        return ICONS.get(self.icon, "bot")

    @property
    def limits(self) -> Limits:
        return Limits(
            may_read=self.may_read_files,
            may_write=self.may_write_files,
            may_use_network=self.may_use_network,
            allowed=self.allowed_tools,
            denied=self.denied_tools,
            folders=self.folders,
            closed=self.closed_paths,
        )

    def settings(self) -> Json:
        """The content of the settings file that its sessions start with."""
        found: Json = {"permissions": self.limits.permissions()}
        return {**found, "hooks": self.hooks} if self.hooks else found

    def copied(self) -> Agent:
        """The same under a name that says so."""
        name = self.name.removesuffix(" (copy)")[: LONGEST_NAME - 7]
        return replace(self, name=f"{name} (copy)")


def checked(agent: Agent) -> Agent:
    """The agent, with blanks at the ends of its texts removed. Raises AgentRefused."""
    agent = replace(
        agent,
        name=" ".join(agent.name.split()),
        system_prompt=agent.system_prompt.strip(),
        default_task=agent.default_task.strip(),
        model=agent.model.strip(),
    )
    _check_name(agent.name)
    if not _ICON.fullmatch(agent.icon):
        raise AgentRefused("Choose one of the icons.")
    for label, text in (("system prompt", agent.system_prompt), ("task", agent.default_task)):
        if len(text) > LONGEST_PROMPT:
            raise AgentRefused(f"The {label} is longer than {LONGEST_PROMPT:,} characters.")
        if _UNUSABLE.search(text):
            raise AgentRefused(f"The {label} holds a control character or half of a character.")
    if not agent.system_prompt:
        raise AgentRefused("Write the system prompt: what the agent is for, and how it works.")
    check_model(agent.model)
    if agent.permission_mode not in MODES:
        raise AgentRefused("Choose one of the permission modes.")
    _check_lists(agent)
    check_hooks(agent.hooks)
    return agent


def check_model(name: str) -> None:
    """Raises AgentRefused where a model cannot have this name; empty is Claude's default."""
    if name and not _MODEL.fullmatch(name):
        raise AgentRefused("The model has a name that Claude cannot have.")


def _check_name(name: str) -> None:
    if not name:
        raise AgentRefused("Give the agent a name.")
    if len(name) > LONGEST_NAME:
        raise AgentRefused(f"The name is longer than {LONGEST_NAME} characters.")
    if _ASIDE.search(name):
        raise AgentRefused("The name holds characters that change the direction of its text.")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Co", "Cn") for each in name):
        raise AgentRefused("The name holds a character that cannot be seen.")
    if any(unicodedata.category(each) == "Cf" and each != "\u200d" for each in name):
        raise AgentRefused("The name holds a character that cannot be seen.")


def _check_lists(agent: Agent) -> None:
    for label, found in (("allowed", agent.allowed_tools), ("denied", agent.denied_tools)):
        if len(found) > MOST_RULES:
            raise AgentRefused(f"There may be {MOST_RULES} {label} tools.")
        for text in found:
            try:
                rules.check(text)
            except rules.InvalidRule as error:
                raise AgentRefused(f"“{text[:100]}”: {error}") from None
    if len(agent.folders) + len(agent.closed_paths) > MOST_RULES:
        raise AgentRefused(f"There may be {MOST_RULES} paths.")
    for folder in agent.folders:
        if not folder.startswith(("/", "~/")) or not folder.isprintable() or len(folder) > 1000:
            raise AgentRefused(f"“{folder[:100]}”: a folder begins with / or ~/.")
    for path in agent.closed_paths:
        try:
            limits.check_path(path)
        except rules.InvalidRule as error:
            raise AgentRefused(f"“{path[:100]}”: {error}") from None


def check_hooks(hooks: Json) -> None:
    """Raises AgentRefused where hooks are in another shape than Claude reads.

    Claude ignores a settings file with a value that it cannot read, and the limits in it.
    """
    if len(encoded(hooks, "The hooks")) > LONGEST_HOOKS:
        raise AgentRefused(f"The hooks are longer than {LONGEST_HOOKS:,} characters.")
    for event, groups in hooks.items():
        if not isinstance(groups, list):
            raise AgentRefused("Hooks are an object with a list for each event.")
        if event not in hook_rules.EVENTS:
            raise AgentRefused(f"“{event[:60]}” is no event that Claude runs hooks at.")
        for group in groups:
            found = group.get("hooks") if isinstance(group, dict) else None
            problems = map(hook_rules.problem, found if isinstance(found, list) else [None])
            if problem := next(filter(None, problems), ""):
                raise AgentRefused(f"{event}: {problem}")
            if not isinstance(group.get("matcher", ""), str):
                raise AgentRefused(f"{event}: a matcher is a text.")


def encoded(value: object, subject: str) -> bytes:
    """A value as JSON. Raises AgentRefused where JSON has no such number, or UTF-8 no such text."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise AgentRefused(f"{subject} cannot have half of a character.") from None
    except ValueError:
        raise AgentRefused(f"{subject} cannot have NaN or an infinite number.") from None


# --- the document ---------------------------------------------------------------------------


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


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text field, without blank ones and duplicates."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def as_lines(values: Sequence[str]) -> str:
    return "\n".join(values)
