"""An agent: its fields, and the limits of what they may hold. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import field, replace

from opcode_htmx.engines.claude.config import hook_rules
from opcode_htmx.engines.claude.permissions import limits, rules
from opcode_htmx.engines.claude.permissions.limits import Limits
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.model.permission_updates import BYPASS

LONGEST_NAME = 80
LONGEST_PROMPT = 100_000
LONGEST_HOOKS = 50_000
MOST_RULES = 100
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
