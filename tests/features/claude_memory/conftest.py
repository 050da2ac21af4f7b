"""An app with the real CLI, and files of every kind that it reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.support.apps.in_process import app_of
from tests.support.apps.local_server import asked_once, said_by_claude
from tests.support.environment import Sandbox

OWN, RULE = "Mine.\n", "Be short.\n"
"""Files that tests make: the same ones, so that the CLI is asked about them once."""
MALICIOUS = "# Note\n\n<script>alert(1)</script>\n\n**bold** [x](javascript:alert(1))\n"


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("memory") / "home").make()


@pytest.fixture(scope="package")
def app(sandbox: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(sandbox, claude) as made, asked_once(made, sandbox):
        yield made


def memory_of_claude(app: Flask, sandbox: Sandbox) -> Any:
    """What the real CLI reads in the project now."""
    return said_by_claude(app, sandbox.project).answer(queries.MEMORY)


@pytest.fixture
def notes(sandbox: Sandbox) -> Path:
    return sandbox.config_dir / "projects" / claude_folder(sandbox.project.resolve()) / "memory"


@pytest.fixture
def written(sandbox: Sandbox, notes: Path) -> dict[str, Path]:
    """Files of each kind, by the words with which their row begins, and no others."""
    project, user = sandbox.project, sandbox.config_dir
    shutil.rmtree(project)
    project.mkdir()
    files = {
        "CLAUDE.md": (project / "CLAUDE.md", "See @docs/style.md for it.\n"),
        "docs/style.md": (project / "docs" / "style.md", "Short.\n"),
        ".claude/CLAUDE.md": (project / ".claude" / "CLAUDE.md", "Inner.\n"),
        ".claude/rules/a.md": (project / ".claude" / "rules" / "a.md", "Rule.\n"),
        ".claude/rules/deep/b.md": (
            project / ".claude" / "rules" / "deep" / "b.md",
            "---\npaths: src/**\n---\nFor some files.\n",
        ),
        "rules/u.md": (user / "rules" / "u.md", "User's rule.\n"),
        "sub/CLAUDE.md": (project / "sub" / "CLAUDE.md", "Sub.\n"),
        str(project.parent / "CLAUDE.md"): (project.parent / "CLAUDE.md", "Above.\n"),
        "MEMORY.md": (notes / "MEMORY.md", "- [likes](likes.md)\n"),
        "likes.md": (notes / "likes.md", f"---\ndescription: Short answers\n---\n{MALICIOUS}"),
    }
    for path, text in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    skipped = project / "node_modules" / "x" / "CLAUDE.md"
    skipped.parent.mkdir(parents=True, exist_ok=True)
    skipped.write_text("Of a package.\n")
    return {name: path for name, (path, _) in files.items()}
