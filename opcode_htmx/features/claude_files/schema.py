"""The requests and responses of /api/settings/files.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.sessions.configuration.revisions import OF_TEXT, Revision
from opcode_htmx.web.rest.models import ResponseModel

Text = Annotated[str, StringConstraints(max_length=1024 * 1024)]
Short = Annotated[str, StringConstraints(max_length=4000)]


class ConfigFile(ResponseModel):
    """A file that configures Claude, whether or not it exists."""

    name: str = Field(description="Names it in addresses.")
    title: str
    holds: str
    path: str
    is_json: bool


class DeletedFile(ResponseModel):
    """A file that was deleted here and can be put back."""

    id: str
    path: str
    at: float = Field(description="In Unix seconds.")


class ConfigFiles(ResponseModel):
    """The files that configure Claude, and those that were deleted here."""

    files: list[ConfigFile]
    deleted: list[DeletedFile]


class FileVersion(ResponseModel):
    """An earlier text of a file."""

    id: str
    until: float = Field(description="When it was replaced, in Unix seconds.")
    size: int


class ConfigFileText(ConfigFile):
    """The text of a file; in JSON, ******** stands for a secret."""

    text: str
    revision: str = Field(description="Identifies this text; empty if there is no file.")
    problems: list[str] = Field(description="What Claude would not accept in it.")
    versions: list[FileVersion] = Field(description="The last ten, the newest first.")


class FileVersionText(FileVersion):
    """An earlier text of a file; in JSON, ******** stands for a secret."""

    text: str


class NewFileText(OfSomeProject):
    """What a file is to hold from now on; in JSON, ******** keeps a secret as it is."""

    text: Text
    revision: Revision | None = Field(None, description=OF_TEXT)


class RestoredVersion(OfSomeProject):
    """An earlier text that is put back, with its secrets."""

    revision: Revision | None = Field(None, description=OF_TEXT)
