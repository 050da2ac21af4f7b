"""The requests and responses of /api/subagents.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.sessions.configuration.revisions import OF_FILE, Revision
from opcode_htmx.web.rest.models import ResponseModel

Where = Literal["project", "user"]
Text = Annotated[str, StringConstraints(max_length=1024 * 1024)]
Short = Annotated[str, StringConstraints(max_length=4000)]
COLORS = "red, blue, green, yellow, purple, orange, pink or cyan; empty for none."
MODEL = "inherit, sonnet, opus, haiku, or the name of another one; empty for the usual one."
TOOLS = "That it may use; none of them: all tools."


class SubagentRow(ResponseModel):
    """A subagent that Claude has, or that somebody has written into a file."""

    id: str | None = Field(description="Names it in addresses, if it is a file.")
    name: str
    description: str = Field(description="Shortened.")
    source: str = Field(description="project, user, plugin or built in.")
    unused: str | None = Field(description="Why Claude does not use it.")


class Subagent(ResponseModel):
    """A subagent in a file."""

    id: str
    name: str
    scope: Where
    file_path: str
    description: str
    tools: list[str]
    model: str
    color: str
    prompt: str
    problem: str | None = Field(description="What is wrong with the front matter of the file.")
    revision: str = Field(description="Identifies the content of the file.")


class NewSubagent(OfSomeProject):
    """A subagent to be made."""

    name: Short
    scope: Where = "user"
    description: Short = Field(description="By which Claude chooses it.")
    prompt: Text = Field(description="What it is to do, and how.")
    tools: list[Short] = Field([], description=TOOLS)
    model: Short = Field("", description=MODEL)
    color: Short = Field("", description=COLORS)


class ChangedSubagent(OfSomeProject):
    """What is to change of a subagent; all else of its file stays."""

    description: Short | None = None
    prompt: Text | None = None
    tools: list[Short] | None = Field(None, description=TOOLS)
    model: Short | None = Field(None, description=MODEL)
    color: Short | None = Field(None, description=COLORS)
    revision: Revision | None = Field(None, description=OF_FILE)


class RemovedSubagent(OfSomeProject):
    """A subagent that is deleted; it can be put back."""

    revision: Revision | None = Field(None, description=OF_FILE)
