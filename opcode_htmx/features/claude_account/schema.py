"""The requests and responses of /api/account, and of the installations of Claude.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.web.rest.models import RequestModel, ResponseModel

PathText = Annotated[str, StringConstraints(max_length=4096)]


class ClaudeAccount(ResponseModel):
    """Who is logged in to Claude, and by what, as Claude says."""

    is_logged_in: bool
    by: str | None = Field(description="In words, such as Claude subscription.")
    provider: str | None
    email: str | None
    organization: str | None
    subscription: str | None
    key_from: str | None = Field(description="Where an API key comes from; never the key.")
    login_ends: str | None
    kept_in: str | None = Field(description="The folder of Claude's configuration.")
    key_source: str | None = Field(
        description="Where the API key comes from that is used whatever account is logged in."
    )


class ClaudeLogin(ResponseModel):
    """A log-in to Claude that has begun."""

    id: str
    account: Literal["subscription", "console"]
    state: Literal["open", "done", "failed"]
    url: str | None = Field(
        description="Where the person logs in, and gets a code; null once it is over."
    )
    until: int = Field(description="Unix time until which the code is taken.")
    problem: str | None = Field(description="Why it has failed.")


class NewLogin(RequestModel):
    """With which kind of account to log in."""

    account: Literal["subscription", "console"] = Field(
        "subscription",
        description="Claude Pro, Max, Team or Enterprise; or Anthropic Console, billed by use.",
    )


class LoginCode(RequestModel):
    """The code with which a log-in ends; it is good for one use."""

    code: Annotated[str, StringConstraints(max_length=4000)] = Field(
        description="All of it, also what stands after the #."
    )


class LogOut(RequestModel):
    """Nothing: an empty object."""


class ClaudeInstallation(ResponseModel):
    """A Claude CLI on this computer that runs."""

    path: str
    version: str | None
    source: str = Field(description="Where it was found, such as CLAUDE_PATH, PATH, nvm.")
    installation_type: Literal["System", "Custom"]
    is_used: bool = Field(description="By this server, for new sessions.")
    is_chosen: bool = Field(description="By a person; it may be in use only after a start.")
    is_too_old: bool = Field(description="It cannot be chosen.")
    is_updatable: bool = Field(description="It can update itself.")


class ChosenInstallation(ResponseModel):
    """Which Claude CLI was chosen."""

    path: str | None = Field(description="Null: the newest is used.")
    is_fixed: bool = Field(description="CLAUDE_PATH names the one to use, and nothing else does.")
    is_waiting: bool = Field(description="Another one is used until the server starts again.")
    is_starting: bool = Field(
        False, description="After a choice: the server is about to start again by itself."
    )


class InstallationChoice(RequestModel):
    """Which Claude CLI to use."""

    path: PathText | None = Field(description="One of the list; null: the newest.")


class InstallationPath(RequestModel):
    """A Claude CLI."""

    path: PathText = Field(description="One of the list.")
