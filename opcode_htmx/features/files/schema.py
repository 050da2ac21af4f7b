"""The shapes of the REST endpoints for files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from opcode_htmx.web.rest.models import RequestModel, ResponseModel

PATH = (
    "From the project's folder on, without a slash before it; `raw:` and the percent-encoded bytes "
    "where a name is not UTF-8 or has control characters."
)


class ProjectFolderQuery(RequestModel):
    """Which entries to list."""

    path: str = Field("", description=f"Of a folder; empty for the project's own. {PATH}")
    all: bool = Field(False, description="Whether hidden and ignored entries are listed, too.")
    page: int = Field(1, ge=1, le=1_000_000)


class FileQuery(RequestModel):
    """Which file."""

    path: str = Field(description=PATH)


class ListedFile(ResponseModel):
    """An entry of a folder."""

    name: str
    path: str = Field(description=PATH)
    kind: Literal["folder", "file", "link", "special"] = Field(
        description="`link`: one that leads nowhere, or out of the project. Others are of the kind "
        "of what they lead to. `special`: a device, a pipe or a socket."
    )
    size: int = Field(description="Bytes, of a file.")
    changed_at: float = Field(description="Unix time.")
    link_to: str | None = Field(description="Where a link within the project leads.")
    status: str = Field(description="What git says: `changed`, `new`, `conflict`, …; or empty.")
    ignored: bool = Field(description="Whether git ignores it.")


class ProjectFolder(ResponseModel):
    """A page of a folder."""

    path: str
    files: list[ListedFile] = Field(description="Folders first, then by name.")
    found: int = Field(description="The number of entries on all pages.")
    left_out: int = Field(description="Hidden and ignored entries that are not listed.")
    page: int
    pages: int


class FileContent(ResponseModel):
    """A text file."""

    path: str
    text: str = Field(description="With line feeds only.")
    digest: str = Field(description="Identifies the content; needed to replace it.")
    encoding: str
    line_ends: str = Field(description="`CRLF`, `CR`, `mixed`, or empty for line feeds.")


class NewContent(RequestModel):
    """The new text of a file."""

    path: str = Field(description=PATH)
    text: str = Field(description="Encoding and line ends stay those of the file.")
    digest: str = Field(
        max_length=64, description="Of the content that this replaces; `none` to make a new file."
    )


class DownloadQuery(RequestModel):
    """What to download."""

    path: str = Field("", description=f"A file, or a folder, which comes as a zip file. {PATH}")
    all: bool = Field(False, description="Whether a folder's ignored files are in it, too.")
