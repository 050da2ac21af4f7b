"""The settings of copies: where they are made, and for how long their set-up may take."""

from __future__ import annotations

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, setting


class WorktreesSettings(FeatureSettings):
    """OPCODE_WORKTREES_FOLDER, OPCODE_WORKTREES_SETUP_SECONDS."""

    folder: values.OptionalPath = setting(
        "",
        "The folder in which copies of projects are made, in one of OPCODE_PROJECT_ROOTS. Without "
        "it each is in `.claude/worktrees` of its repository, where Claude puts its own.",
    )
    setup_seconds: values.PositiveSeconds = setting(
        "10m", "How long the set-up command of a project may take in a new copy."
    )
