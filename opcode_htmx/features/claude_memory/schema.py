"""The requests and responses of /api/memory and /api/claude-md.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.sessions.configuration.revisions import OF_TEXT, Revision
from opcode_htmx.web.rest.models import ResponseModel

Text = Annotated[str, StringConstraints(max_length=1024 * 1024)]
Short = Annotated[str, StringConstraints(max_length=4000)]


class ClaudeMdFile(ResponseModel):
    """A file with instructions for Claude, as the desktop app describes it."""

    relative_path: str
    absolute_path: str
    size: int
    modified: int = Field(description="In Unix seconds.")


class MemoryFile(ResponseModel):
    """A file of Claude's memory."""

    name: str = Field(description="Names it in addresses.")
    kind: str = Field(
        description="user, project, local, rule, import, folder (of one inside the project), "
        "above (elsewhere) or note (Claude's own)."
    )
    title: str
    path: str
    size: int | None = Field(description="Null if there is no such file yet.")
    modified: float | None = Field(description="In Unix seconds.")
    description: str
    depth: int = Field(description="How many imports lead to it.")
    is_deletable: bool


class Memory(ResponseModel):
    """The memory of the user and, if one is named, of a project."""

    files: list[MemoryFile]
    notes: list[MemoryFile] = Field(description="What Claude has noted by itself.")
    automatic: bool | None = Field(description="Whether it takes notes; null if it did not say.")
    is_trusted: bool = Field(description="Whether Claude reads the project's own files.")
    problem: str | None = Field(description="Why Claude itself could not be asked.")


class MemoryText(ResponseModel):
    """The text of a file of Claude's memory."""

    name: str
    path: str
    text: str
    revision: str = Field(description="Identifies this text; empty if there is no file.")


class ClaudeMdPath(OfSomeProject):
    """A file of Claude's memory, by its path."""

    file_path: Annotated[str, StringConstraints(max_length=300)] = Field(
        description="An absolute_path of the list."
    )


class NewClaudeMd(OfSomeProject):
    """What a file of Claude's memory is to hold from now on."""

    file_path: Short = Field(description="The path of a file of Claude's memory.")
    content: Text
    revision: Revision | None = Field(None, description=OF_TEXT)


class NewMemoryText(OfSomeProject):
    """What a file of Claude's memory is to hold from now on."""

    text: Text
    revision: Revision | None = Field(None, description=OF_TEXT)


class RemovedMemory(OfSomeProject):
    """A file that is deleted; it can be put back."""

    revision: Revision | None = Field(None, description=OF_TEXT)


class NewMemoryRule(OfSomeProject):
    """A rule that is to be made, empty."""

    name: Short = Field(description="Of its file, with the folders before it: style/python.")
    scope: Literal["user", "project"] = "user"


class AutomaticMemory(OfSomeProject):
    """Whether Claude takes notes: in a project, or else in all of them."""

    enabled: StrictBool
