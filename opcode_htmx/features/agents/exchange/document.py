"""Read and write `.opcode.json`, the document in which agents are passed on. Pure."""

from __future__ import annotations

import json

from opcode_htmx.features.agents.model import Agent, AgentRefused, encoded
from opcode_htmx.features.agents.serialization import DEEPEST, MOST_BYTES, as_document, of_document
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.rendering.clock import iso_time

FORMAT = 1
"""The version of the document."""
SUFFIX = ".opcode.json"
MOST_VALUES = 20_000

_PART = late_pattern(r"[^\w]+")


def exported(agent: Agent, at: float) -> Json:
    """The document of an agent; `at` is a Unix time."""
    return {"version": FORMAT, "exported_at": iso_time(at), "agent": as_document(agent)}


def dumped(agent: Agent, at: float) -> str:
    """The same as text."""
    return json.dumps(exported(agent, at), ensure_ascii=False, indent=2) + "\n"


def loaded(content: bytes | str) -> Agent:
    """The agent of a document from anywhere. Raises AgentRefused."""
    if len(content) > MOST_BYTES:
        raise AgentRefused(f"An agent has at most {MOST_BYTES // 1024} KB.")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise AgentRefused("This is not UTF-8 text.") from None
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise AgentRefused(f"It holds more than {MOST_VALUES:,} values.")
    try:
        found = bounded_json.loads(text, DEEPEST)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise AgentRefused(f"This is not an agent’s JSON: {reason}.") from None
    return of_value(found)


def of_value(found: object) -> Agent:
    """The agent of a parsed document. Raises AgentRefused."""
    if not isinstance(found, dict) or "version" not in found or "agent" not in found:
        raise AgentRefused("This is no exported agent: it has no “version” and “agent”.")
    version = found["version"]
    if isinstance(version, bool) or version != FORMAT:
        raise AgentRefused(f"Only version {FORMAT} of exported agents can be read.")
    if not isinstance(found["agent"], dict):
        raise AgentRefused("“agent” must be an object.")
    encoded(found, "An agent")
    return of_document(found["agent"])


def file_name(agent: Agent, suffix: str = SUFFIX) -> str:
    """A name for the file of an agent."""
    stem = _PART.sub("-", agent.name.casefold()).strip("-")[:60]
    return f"{stem or 'agent'}{suffix}"
