"""The requests and responses of /api/hooks.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.sessions.configuration.revisions import OF_FILE, Revision
from opcode_htmx.web.rest.models import ResponseModel

Where = Literal["user", "project", "local"]
Text = Annotated[str, StringConstraints(max_length=20_000)]
Hooks = dict[str, Any]
SHAPE = 'By event: [{"matcher": "…", "hooks": [{"type": "command", "command": "…"}]}].'


class Hook(ResponseModel):
    """A hook, wherever it stands."""

    event: str
    matcher: str
    kind: str = Field(description="In words, such as Command or HTTP request.")
    text: str = Field(description="What it does, shortened.")
    source: str = Field(description="user, project, local, managed, or the name of a plugin.")
    scope: str | None = Field(description="Of the file that is written here, if it stands there.")
    id: str | None = Field(description="Names it for a try, if it stands in such a file.")
    warning: str | None = Field(description="Why Claude does not run it.")


class HookEvent(ResponseModel):
    """An event that hooks run at."""

    name: str
    summary: str
    has_matcher: bool
    matched: str = Field(description="What a matcher is compared with.")
    values: list[str] = Field(description="Some that a matcher may have.")


class HookListing(ResponseModel):
    """All hooks of the user and, if one is named, of a project."""

    hooks: list[Hook]
    events: list[HookEvent] = Field(description="Those of the installed Claude.")
    problems: list[str] = Field(description="Files that cannot be read.")
    policy: str | None = Field(description="What the administrator has set for all hooks.")
    off_in: str | None = Field(description="Where all hooks are switched off.")
    is_trusted: bool = Field(description="Whether the project's own files have any effect.")
    problem: str | None = Field(description="Why Claude itself could not be asked.")


class HookConfig(ResponseModel):
    """The hooks of one settings file, in the shape that Claude reads; ******** is a secret."""

    scope: Where
    hooks: Hooks = Field(description=SHAPE)
    revision: str = Field(description="Identifies the file's content; empty if there is none.")


class HookTemplate(ResponseModel):
    """A hook to start from."""

    name: str
    title: str
    about: str
    event: str
    matcher: str
    config: dict[str, Any]
    needs: str | None = Field(description="A program that it uses.")


class HookValidity(ResponseModel):
    """What is wrong with a hook, or should be read twice."""

    valid: bool = Field(description="Whether it can be run: bash and Claude can read it.")
    message: str
    concerns: list[str] = Field(description="What is dangerous in it, each as a sentence.")


class HookOutcome(ResponseModel):
    """What came of a try."""

    status: int | None = Field(
        description="The exit code; of an address 0 or the HTTP status; null if it did not start."
    )
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    problem: str | None = Field(description="Why it did not start.")
    sentences: list[str] = Field(description="What Claude would make of it.")
    sample: dict[str, Any] = Field(description="What the hook got.")


class InHookFile(OfSomeProject):
    """A settings file."""

    scope: Where = "user"


class NewHookConfig(OfSomeProject):
    """All hooks of a settings file; ******** keeps a saved secret of the same hook."""

    scope: Where = "user"
    hooks: Hooks = Field(description=SHAPE)
    revision: Revision | None = Field(None, description=OF_FILE)
    anyway: StrictBool = Field(False, description="Save also what is dangerous or cannot be read.")


class HookCheck(OfSomeProject):
    """A command, or a whole hook."""

    command: Text | None = None
    config: dict[str, Any] | None = Field(None, description="A hook, in place of a command.")
    event: Text = Field("", description="At which it is to run.")
    matcher: Text = ""


class HookSwitch(OfSomeProject):
    """Whether hooks run at all: `disableAllHooks` in a settings file."""

    enabled: StrictBool
    scope: Where = "user"
    revision: Revision | None = Field(None, description=OF_FILE)


class HookTry(OfSomeProject):
    """A hook of a file, and what it is tried with."""

    scope: Where
    event: Text
    id: Text = Field(description="As in the list of hooks.")
    sample: dict[str, Any] | None = Field(
        None, description="What it gets; by default, a sample of its event."
    )
