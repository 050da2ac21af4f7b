"""The requests and responses of /api/trust.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from pydantic import Field

from opcode_htmx.web.rest.models import RequestModel, ResponseModel


class TrustedItem(ResponseModel):
    """Something that takes effect in a trusted project."""

    kind: str = Field(description="hook, helper, server, environment, permission and so on.")
    name: str
    text: str = Field(description="What it runs or says; ******** stands for a secret.")
    left_out: int = Field(description="How many characters the text lacks at its end.")
    file: str


class TrustedProject(ResponseModel):
    """A project whose files take effect."""

    project_path: str = Field(description="Its name in Claude's record, the path of its folder.")
    is_gone: bool = Field(description="There is no such folder any more.")
    brings: dict[str, int] | None = Field(
        description="How much of each kind its files run or allow; null where this server may not "
        "look at them, or where there are too many projects."
    )
    items: list[TrustedItem] | None = Field(
        description="All of it, where one project is asked for."
    )


class TrustedProjectQuery(RequestModel):
    """All trusted projects, or one."""

    project_path: str | None = Field(None, description="One of the list: with all that it brings.")


class NamedTrustedProject(RequestModel):
    """A trusted project."""

    project_path: str = Field(description="One of the list.")
