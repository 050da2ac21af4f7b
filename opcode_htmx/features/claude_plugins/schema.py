"""The requests and responses of /api/plugins.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.web.rest.models import ResponseModel

PluginScope = Literal["user", "project", "local"]


class PluginPart(ResponseModel):
    """One thing that a plugin brings."""

    kind: str = Field(
        description="hook, server, language_server, command, skill, agent, style, or unreadable."
    )
    name: str
    text: str = Field(description="What it runs, without secrets, or what it says of itself.")
    runs: bool = Field(description="Whether it is run on the computer without a question.")
    tokens_always: str | None = Field(description="What it adds to each session, such as ~120.")
    tokens_used: str | None = Field(description="What it takes once it is used.")


class PluginContents(ResponseModel):
    """What a plugin brings, from its files."""

    description: str
    parts: list[PluginPart]
    is_cut: bool = Field(description="There is more than is listed.")


class InstalledPlugin(ResponseModel):
    """A plugin in one scope."""

    scope: str
    version: str
    is_enabled: bool
    problems: list[str]


class Plugin(ResponseModel):
    """A plugin that is installed, or that a marketplace offers."""

    id: str = Field(description="Its name and its marketplace: name@marketplace.")
    name: str
    marketplace: str
    version: str
    description: str = Field(description="In /api/plugins empty for those installed.")
    installed: list[InstalledPlugin] = Field(
        description="For the user, and for the project if one is named; empty if it is not."
    )


class DescribedPlugin(Plugin):
    """A plugin with what it brings and costs."""

    source: str = Field(description="Where it comes from, as its marketplace says.")
    contents: PluginContents | None = Field(
        description="Null if it is known only once Claude has fetched it."
    )
    digest: str = Field(description="Identifies the contents; empty if they are not known.")
    tokens: str | None = Field(
        description="What it adds to each session, by Claude's own estimate, such as ~1.2k. "
        "Known of installed plugins only."
    )


class PluginsQuery(OfSomeProject):
    """Of which project, and which plugins."""

    q: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="Words that a plugin has in its name, marketplace or description."
    )


class InstalledPluginQuery(OfSomeProject):
    """A plugin in one scope."""

    scope: PluginScope


class PluginChoice(OfSomeProject):
    """Where something is done about a plugin."""

    scope: PluginScope = Field(description="project and local need a trusted project.")


class SeenPlugin(PluginChoice):
    """Where a plugin is to run, with what the person knows of it."""

    digest: Annotated[str, StringConstraints(max_length=100)] = Field(
        "", description="That of the plugin as it was returned last; empty if it had none."
    )


class PluginMarketplace(ResponseModel):
    """A place where plugins come from."""

    name: str
    source: str = Field(description="A folder, a repository or an address, without secrets.")
    available: int = Field(description="How many of its plugins are not installed.")


class NewMarketplace(OfSomeProject):
    """A marketplace to be added, for the user."""

    source: Annotated[str, StringConstraints(max_length=2000)] = Field(
        description="owner/repository on GitHub, the address of a git repository, or a folder."
    )
