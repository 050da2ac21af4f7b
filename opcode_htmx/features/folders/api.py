"""The REST endpoint that lists folders in which Claude may work."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from opcode_htmx.features.folders.listing import MOST_SHOWN, FolderEntry, list_folders
from opcode_htmx.features.folders.picker import FolderPicker
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.web.rest.endpoint import Endpoint


class FolderQuery(BaseModel):
    """Which folders to list."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field("", description="Empty: the project roots.")
    query: str = Field("", max_length=255, description="A part of the names of the folders.")
    hidden: bool = Field(False, description="Whether hidden folders are listed, too.")


class Folder(BaseModel):
    """A folder in which Claude may work."""

    name: str
    path: str = Field(
        description="A `file:` URI where the path has line breaks, or blanks at its end."
    )
    is_git: bool = Field(description="Whether it is a git repository.")
    is_link: bool = Field(description="Whether `path` is where a link of this name leads.")


class Folders(BaseModel):
    """The folders in a folder."""

    path: str = Field(description="The folder itself; empty for the project roots.")
    folders: list[Folder] = Field(description=f"By name, the first {MOST_SHOWN}.")
    found: int = Field(description="The number of folders, those that are not listed included.")


def endpoints(picker: FolderPicker) -> Iterable[Endpoint]:
    """GET /api/folders."""

    def folders(query: FolderQuery) -> Folders:
        if not query.path:
            roots = picker.roots()
            return Folders(path="", folders=list(map(_folder, roots)), found=len(roots))
        path = picker.folders.choose(query.path)
        listing = list_folders(picker.folders, path, query=query.query, with_hidden=query.hidden)
        inside = [_folder(each) for each in listing.entries if not each.obstacle]
        return Folders(path=reference(listing.path), folders=inside, found=listing.found)

    yield Endpoint(
        method="GET",
        path="/api/folders",
        tag="Projects",
        summary="The folders in a folder below the project roots",
        handler=folders,
        query=FolderQuery,
        response=Folders,
    )


def _folder(entry: FolderEntry) -> Folder:
    return Folder(
        name=entry.name, path=reference(entry.path), is_git=entry.is_git, is_link=entry.is_link
    )
