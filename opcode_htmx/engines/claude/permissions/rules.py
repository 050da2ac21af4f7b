"""A permission rule as it stands in a settings file, and what it means in words. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 2000
"""Characters of a rule."""
_LONGEST_EXAMPLE = 80
"""Characters of what an error repeats."""
BASH = "Bash"
READ, EDIT, FETCH = "Read", "Edit", "WebFetch"
EDITING = ("Edit", "Write", "NotebookEdit")
"""The tools that change files; a rule about the paths of one of them is one for `Edit`."""
_TOOL = late_pattern(r"(?:mcp__[\w.\-]{1,200}\*?|[A-Z][A-Za-z]{1,60})", re.ASCII)
_RULE = late_pattern(r"([^()\s]{1,250})(?:\((.*)\))?", re.DOTALL)
_DOMAIN = late_pattern(r"domain:[\w*.\-:\[\]]{1,253}")
_ESCAPED = late_pattern(r"\\([\\()])")
_WITHOUT_CONTENT = {"WebSearch", "TodoWrite"}


class Behavior(StrEnum):
    """What a rule says; the first one that matches decides, in this order."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


class InvalidRule(Exception):
    """A text is no rule that Claude reads; the text of the error says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: a tool, and what it is limited to; None: every use of the tool."""

    tool: str
    content: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is about every use of the tool."""
        return self.content is None


def parse(text: str) -> Rule:
    """The rule in a text, with the escaped parentheses of its content plain. Raises InvalidRule."""
    found = _RULE.fullmatch(text)
    if not found:
        raise InvalidRule(_without_tool(text))
    tool, content = found.groups()
    if content is None or content in ("", "*"):
        return Rule(tool)
    return Rule(tool, _ESCAPED.sub(r"\1", content))


def check(text: str) -> Rule:
    """The rule in a text that a person has typed. Raises InvalidRule where it would do nothing."""
    if not text:
        raise InvalidRule("Type a rule, such as Bash(npm test) or Read(.env).")
    if len(text) > LONGEST:
        raise InvalidRule(f"A rule has at most {LONGEST:,} characters.")
    if not text.isprintable():
        raise InvalidRule("A rule is one line, without characters that cannot be seen.")
    rule = parse(text)
    if not _TOOL.fullmatch(rule.tool):
        raise InvalidRule(_not_a_tool(rule.tool))
    if rule.is_whole:
        return rule
    return _checked(rule, rule.content or "")


def _without_tool(text: str) -> str:
    said = "A rule is a tool, and what it is limited to in parentheses"
    if len(text) > _LONGEST_EXAMPLE or not text.isprintable() or "(" in text:
        return f"{said}."
    return f"{said}: for the command, type Bash({text})."


def _not_a_tool(name: str) -> str:
    if name[:1].islower() and not name.startswith("mcp_"):
        return f"“{name}” is no tool: their names begin with a capital letter, as in Bash or Read."
    return f"“{name}” is no tool. Those of an MCP server are written mcp__server__tool."


def _checked(rule: Rule, content: str) -> Rule:
    if rule.tool.startswith("mcp__") or rule.tool in _WITHOUT_CONTENT:
        raise InvalidRule(f"A rule about {rule.tool} has nothing in parentheses.")
    if rule.tool in EDITING and rule.tool != EDIT:
        raise InvalidRule(f"Claude reads paths of {rule.tool} only in a rule about {EDIT}.")
    if rule.tool == FETCH and not _DOMAIN.fullmatch(content):
        raise InvalidRule("A rule about WebFetch names a domain: WebFetch(domain:example.com).")
    if rule.tool == BASH and ":*" in content.removesuffix(":*"):
        raise InvalidRule("“:*” has a meaning at the end of a command only.")
    if rule.tool in (READ, EDIT) and not content.strip():
        raise InvalidRule("Type a path or a pattern of paths in the parentheses.")
    return rule


@dataclass(frozen=True, slots=True)
class Words:
    """A rule in words: a part before and one after the words of the rule itself."""

    before: str
    subject: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.subject}{self.after}"


_WHOLE = {
    BASH: "Any command",
    READ: "Reading any file",
    EDIT: "Editing any file",
    "Write": "Writing any file",
    "NotebookEdit": "Editing any notebook",
    FETCH: "Fetching from anywhere",
    "WebSearch": "Searching the web",
    "Agent": "Starting any subagent",
    "Task": "Starting any subagent",
    "Skill": "Using any skill",
}


def in_words(text: str) -> Words:
    """A rule in words; one that cannot be parsed is shown as it is."""
    try:
        rule = parse(text)
    except InvalidRule:
        return Words("A rule that Claude may not understand")
    match rule:
        case Rule(content=None):
            return _whole(rule.tool)
        case Rule(tool="Bash", content=str(content)):
            return _command(content)
        case Rule(tool="Read", content=str(content)):
            return _path("Reading ", content)
        case Rule(tool="Edit", content=str(content)):
            return _path("Editing ", content)
        case Rule(tool="WebFetch", content=str(content)):
            return Words("Fetching from ", content.removeprefix("domain:"))
        case Rule(tool="Agent" | "Task", content=str(content)):
            return Words("Starting the subagent ", content)
        case Rule(tool="Skill", content=str(content)):
            return Words("Using the skill ", content.removesuffix(":*"))
        case Rule(tool=tool, content=str(content)):
            return Words(f"{tool} with ", content)
        case _:
            return Words(text)


def _whole(tool: str) -> Words:
    if tool in _WHOLE:
        return Words(_WHOLE[tool])
    if tool.startswith("mcp__"):
        server, _, name = tool.removeprefix("mcp__").partition("__")
        if name in ("", "*"):
            return Words("Every tool of the MCP server ", server)
        return Words("The tool ", name, f" of the MCP server {server}")
    return Words("Any use of ", tool)


def _command(content: str) -> Words:
    if content.endswith(":*"):
        return Words("Any command that begins with ", content.removesuffix(":*"))
    if content.endswith(" *") and "*" not in content[:-1]:
        return Words("Any command that begins with ", content[:-2])
    if "*" in content:
        return Words("Any command of the form ", content)
    return Words("The command ", content)


def _path(verb: str, content: str) -> Words:
    if content.startswith("//"):
        content = content[1:]
    if content.endswith("/**") and len(content) > 3:
        return Words(f"{verb}everything in ", content[:-3])
    if "*" in content or "?" in content:
        return Words(f"{verb}files that match ", content)
    return Words(verb, content)
