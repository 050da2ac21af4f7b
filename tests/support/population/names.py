"""Long names and well-known ids of what a populated sandbox holds."""

from __future__ import annotations

from pathlib import Path

from tests.support.environment import ROOT

SESSION = "5e551000-0000-4000-8000-000000000001"
PROMPT, ANSWER = "prompt-1", "answer-1"
ICON = ROOT / "static" / "icon-192.png"

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
CHANGED = {"path": f"{LONG_WORD[:60]}/{LONG_WORD[:90]}.py"}
ACT = "2" * 32

RULE = f"Bash(prune {LONG_WORD[:200]})"
HOOK = {"type": "command", "command": f"true {LONG_WORD}", "timeout": 5}
EVENT, MATCHER = "PostToolUse", "Edit"

CHANGED_FILE = f"{LONG_WORD[:100]}/{LONG_WORD[:100]}.txt"

SIGN_IN = "2" * 32
DELETED, UPLOAD = "5" * 32, "6" * 32
MARKDOWN = f"{LONG_WORD[:60]}/{LONG_WORD[:60]}.md"
"""A file of the project."""
PAPER = f"{LONG_WORD[:60]}/{LONG_WORD[:60]}.pdf"
"""Another one."""

KEPT_COPY, RACE = "5" * 32, "6" * 32
SCHEDULE, TERMINAL = "3" * 32, "7" * 32
COMMENT = "4" * 12
BACKUP = "opcode-20261129-140200.tar.gz"
CLONE = f"{'orchard' * 12}__{'apples-' * 12}1"


def garden_of(project: Path) -> Path:
    """A repository beside the project."""
    return project.parent / "garden"


def trusted_of(project: Path) -> Path:
    """A folder beside the project's parent, so that the project itself is not trusted."""
    return project.parent.parent / f"trusted-{LONG_WORD[:60]}"
