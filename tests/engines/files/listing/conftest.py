"""A folder of session files that is listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files import session_listing
from opcode_htmx.engines.claude.files.lists import watches as kernel
from opcode_htmx.engines.claude.files.lists.watches import file_system
from opcode_htmx.engines.claude.files.session_listing import Folders
from tests.engines.files.listing.names import ONE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "projects" / "-home-me-shop"
    folder.mkdir(parents=True)
    (folder / ONE).write_text("1")
    return folder


@pytest.fixture(params=["kernel events", "listed every time", "no inotify left"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    if request.param == "listed every time":
        monkeypatch.setattr(kernel, "LOCAL_FILE_SYSTEMS", frozenset())
    if request.param == "no inotify left":
        monkeypatch.setattr(kernel, "watches", lambda: None)
    found = Folders()
    yield found
    found.close()


@pytest.fixture
def checked(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are listed and of the files that are checked."""
    if file_system(project.resolve()) not in kernel.LOCAL_FILE_SYSTEMS:
        pytest.skip("the kernel does not report what changes here")
    calls: list[str] = []
    list_folder, check_file = os.scandir, session_listing._file_in

    def scandir(path: Path) -> object:
        calls.append(path.name)
        return list_folder(path)

    def file_in(folder: Path, name: str, watches: Any) -> object:
        calls.append(name)
        return check_file(folder, name, watches)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(session_listing, "_file_in", file_in)
    return calls
