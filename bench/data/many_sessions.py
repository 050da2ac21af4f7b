"""Years of history: many projects of many sessions, in the files and the format of Claude's CLI.

The same arguments make the same bytes. The kinds of lines, their fields and their order are those
that the CLI 2.1.330 has written. Depends on the format, not on the app.
"""

from __future__ import annotations

import random
from pathlib import Path

from bench.data.session_file import LARGE_EVERY, SessionFile
from bench.data.words import NOUNS

WORK = Path("/home/sam/work")
"""The folder of the projects, which need not exist."""

PROJECTS, SESSIONS, LINES = 100, 50, 200
"""A million lines in five thousand sessions."""
PARTS = ("api", "web", "cli", "docs", "infra", "worker", "app")


def generate(
    config_dir: Path,
    *,
    projects: int = PROJECTS,
    sessions: int = SESSIONS,
    lines: int = LINES,
    seed: int = 1,
    work: Path = WORK,
) -> int:
    """Write the history below `config_dir`; return the number of all its lines.

    Each of the `projects` has `sessions` files of `lines` lines, at least 20; those of subagents
    come in addition. Files have the modification time of their last line.
    """
    total = 0
    for project in range(projects):
        cwd = work / project_name(project)
        name = "".join(each if each.isascii() and each.isalnum() else "-" for each in str(cwd))
        folder = config_dir / "projects" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(sessions):
            chance = random.Random(f"{seed} {project} {number}")  # noqa: S311 - no secret
            session = SessionFile(folder, cwd, chance)
            session.fill(lines, is_large=(project * sessions + number) % LARGE_EVERY == 7)
            total += session.write()
    return total


def project_name(number: int) -> str:
    """The name of a project's folder, another one for every number."""
    noun, part = NOUNS[number % len(NOUNS)], PARTS[number // len(NOUNS) % len(PARTS)]
    again = number // (len(NOUNS) * len(PARTS))
    return f"{noun}-{part}{again or ''}"
