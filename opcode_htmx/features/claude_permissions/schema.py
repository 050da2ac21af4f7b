"""The requests and responses of /api/settings/permissions.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.sessions.configuration.revisions import OF_FILE, Revision
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

Kind = Literal["allow", "ask", "deny"]
Where = Literal["user", "project", "local"]
Text = Annotated[str, StringConstraints(max_length=4000)]
InAddress = Annotated[str, StringConstraints(max_length=250)]
"""A text that fits into an address, however it is encoded there."""
REVISIONS = "By scope, those of the files that this is based on; refused if one has changed."


class PermissionRuleName(RequestModel):
    """A rule and where it stands."""

    kind: Kind
    text: Text
    scope: Text


class PermissionRule(ResponseModel):
    """A permission rule of Claude's."""

    kind: Kind
    text: str = Field(description="The rule as it stands, such as Bash(npm test).")
    scope: str = Field(description="managed, user, project, local, or this server.")
    words: str = Field(description="What it is about, in words.")
    can_change: bool = Field(description="Whether it stands in a file that is written here.")
    is_in_force: bool


class PermissionFolder(ResponseModel):
    """A folder that Claude works in besides the project."""

    text: str = Field(description="As it stands in the file.")
    scope: str = Field(description="managed, user, project, local, or this server.")
    path: str = Field(description="The absolute path.")
    can_change: bool
    is_in_force: bool


class PermissionSettings(ResponseModel):
    """What Claude may do, in force and in the files."""

    rules: list[PermissionRule]
    folders: list[PermissionFolder]
    mode: str = Field(description="The permission mode in which Claude starts.")
    only_managed: bool = Field(description="Whether only an administrator's rules count.")
    is_trusted: bool = Field(description="Whether the project's own files have any effect.")
    revisions: dict[str, str] = Field(
        description="Of each file that is written here, by its scope; empty if there is none."
    )
    problem: str | None = Field(description="Why Claude itself could not be asked.")


class PermissionDecision(ResponseModel):
    """What would become of a tool call."""

    outcome: Literal["allowed", "asked", "denied", "judged"] = Field(
        description="judged: a model decides."
    )
    reason: str
    rule: PermissionRuleName | None = Field(description="The rule that decides, if one does.")


class PermissionCall(ResponseModel):
    """A tool call of a session."""

    subject: str = Field(description="Its command, path or address.")
    at: float = Field(description="In Unix seconds.")
    project_id: str
    session_id: str


class PermissionMatches(ResponseModel):
    """The calls of the last 30 days that a rule matches."""

    calls: list[PermissionCall] = Field(description="The newest.")
    count: int
    is_whole: bool = Field(description="Otherwise, there may be more than `count`.")


class PermissionFolderName(RequestModel):
    """An additional folder and where it stands."""

    text: Text
    scope: Where


class NewPermissionRule(OfSomeProject):
    """A rule to be added."""

    kind: Kind
    text: Text = Field(description="Such as Bash(npm test), Read(.env) or mcp__github.")
    scope: Where
    revision: Revision | None = Field(None, description=OF_FILE)


class ChangedPermissionRule(OfSomeProject):
    """A rule, and the one that takes its place, which may stand elsewhere; null: none."""

    old: PermissionRuleName
    new: PermissionRuleName | None
    revisions: dict[str, Revision] = Field({}, description=REVISIONS)


class OnePermissionRule(OfSomeProject):
    """A rule in its file."""

    kind: Kind
    text: InAddress
    scope: Annotated[str, StringConstraints(max_length=20)]
    revision: Revision | None = Field(None, description=OF_FILE)


class NewPermissionFolder(OfSomeProject):
    """A folder to be added."""

    text: Text = Field(description="Its path; ~ is the home, and the project's parent is `..`.")
    scope: Where
    revision: Revision | None = Field(None, description=OF_FILE)


class ChangedPermissionFolder(OfSomeProject):
    """A folder, and the one that takes its place; null: none."""

    old: PermissionFolderName
    new: PermissionFolderName | None
    revisions: dict[str, Revision] = Field({}, description=REVISIONS)


class OnePermissionFolder(OfSomeProject):
    """An additional folder in its file."""

    text: InAddress
    scope: Where
    revision: Revision | None = Field(None, description=OF_FILE)


class NewPermissionMode(OfSomeProject):
    """The permission mode in which Claude starts; null: no longer set in this file."""

    mode: Text | None
    scope: Where
    revision: Revision | None = Field(None, description=OF_FILE)


class PermissionTest(OfSomeProject):
    """A tool call that might be made."""

    tool: Text = Field(description="Such as Bash, Read, WebFetch or mcp__github__create_issue.")
    subject: Text = Field("", description="Its command, path or address.")
    mode: Text | None = Field(None, description="A permission mode; by default, the one set.")
