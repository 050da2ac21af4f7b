"""The names of session files, and of those that are listed."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.engines.claude.files.session_listing import Folders

ONE = "11111111-1111-4111-8111-111111111111.jsonl"
TWO = "22222222-2222-4222-8222-222222222222.jsonl"


def names(listed: Folders, project: Path) -> set[str]:
    return {file.name for file in listed.look(project).files}
