"""Agents as Claude's own subagent files (`.claude/agents/*.md`), and those as agents. Pure.

Such a file has a name, a description, tools, a model and instructions. The rest of an agent has no
place in it, and an agent that comes from one gets what a new agent has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from opcode_htmx.engines.claude.config.documents import front_matter
from opcode_htmx.engines.claude.config.slash_commands import tools_of
from opcode_htmx.engines.claude.permissions import limits
from opcode_htmx.features.agents import model
from opcode_htmx.features.agents.model import LONGEST_NAME, Agent, AgentRefused
from opcode_htmx.features.agents.serialization import MOST_BYTES
from opcode_htmx.lib.coerce import as_str
from opcode_htmx.lib.late.patterns import late_pattern

SUFFIX = ".md"
LONGEST_NAME_THERE = 64
BUILT_IN = (
    *("Bash", "Edit", "Glob", "Grep", "LSP", "NotebookEdit", "Read", "WebFetch", "WebSearch"),
    *("Write", "PowerShell", "Monitor"),
)
"""The tools that a list of tools leaves out when it does not name them."""

_OUTSIDE = late_pattern(r"[^a-z0-9]+")


def of_text(text: str, file: str = "") -> Agent:
    """The agent of a subagent's file. Raises AgentRefused."""
    if len(text) > MOST_BYTES:
        raise AgentRefused(f"An agent has at most {MOST_BYTES // 1024} KB.")
    document = front_matter.parse(text)
    if document.problem:
        raise AgentRefused(f"Its header cannot be read. {document.problem}")
    fields = document.fields
    name = as_str(fields.get("name")) or file.removesuffix(SUFFIX)
    if not name or not document.body.strip():
        raise AgentRefused("This is no subagent: it has no name, or no instructions.")
    tools = _tools_in(fields, "tools")
    denied = [*_left_out(tools), *(_tools_in(fields, "disallowedTools") or ())]
    chosen = as_str(fields.get("model"))
    values = {
        "denied_tools": tuple(dict.fromkeys(denied)),
        "may_write_files": tools is None or bool({"Write", "Edit"} & set(tools)),
        "may_use_network": bool({"WebFetch", "WebSearch"} & set(tools or ())),
    }
    return model.checked(
        Agent(
            name=name[:LONGEST_NAME],
            system_prompt=document.body,
            model="" if chosen == "inherit" else chosen,
            **values,  # type: ignore[arg-type]
        )
    )


def _tools_in(fields: Mapping[str, object], name: str) -> list[str] | None:
    """The tools that a field names; None where it names none, or all. Raises AgentRefused.

    An empty list is none at all, and so is one that cannot be read: it must not become all tools.
    """
    value = fields.get(name)
    if value is None or value == "*" or value == ["*"]:
        return None
    if not isinstance(value, str | list):
        raise AgentRefused(f"Its “{name}” are neither a text nor a list.")
    return [each for each in tools_of(value) if each != "*"]


def _left_out(tools: list[str] | None) -> tuple[str, ...]:
    if tools is None:
        return ()
    names = {each.partition("(")[0] for each in tools}
    return tuple(each for each in BUILT_IN if each not in names)


def name_of(agent: Agent) -> str:
    """The name of an agent as a subagent has it: small letters and hyphens."""
    plain = unicodedata.normalize("NFKD", agent.name).encode("ascii", "ignore").decode().lower()
    return _OUTSIDE.sub("-", plain).strip("-")[:LONGEST_NAME_THERE].strip("-") or "agent"


def fields_of(agent: Agent) -> dict[str, str]:
    """The fields of an agent as a subagent: description, tools, model."""
    task = " ".join(agent.default_task.split())[:300]
    found = {"description": task or f"Works as {agent.name}."}
    if tools := _tools(agent):
        found["tools"] = ", ".join(tools)
    if agent.model:
        found["model"] = agent.model
    return found


def as_text(agent: Agent) -> str:
    """The subagent's file of an agent."""
    header = {"name": name_of(agent), **fields_of(agent)}
    return front_matter.changed("---\n---\n", header, f"{agent.system_prompt}\n")


def _tools(agent: Agent) -> list[str]:
    """What is left of the tools; empty where nothing is denied as a whole: then it has all."""
    denied = {each for each in agent.denied_tools if "(" not in each}
    for is_allowed, tools in (
        (agent.may_read_files, limits.READING),
        (agent.may_write_files, limits.WRITING),
        (agent.may_use_network, limits.NETWORK),
    ):
        denied |= set() if is_allowed else set(tools)
    if agent.limits.denies_shell:
        denied |= set(limits.SHELLS)
    return [each for each in BUILT_IN if each not in denied] if denied & set(BUILT_IN) else []
