"""The platform's files and folders in the state folder; features declare their own."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.config import state_format
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets.files import VERSION as BUDGETS_VERSION
from opcode_htmx.runs.budgets.spending import DAYS_KEPT
from opcode_htmx.sessions.checkpoints import store as checkpoint_store
from opcode_htmx.sessions.schedules import store
from opcode_htmx.sessions.worktrees.files import FOLDERS as COPIES

PLATFORM = (
    StateFolder("runs", "the runs: records, input, output, stderr", "see docs/state.md", 2),
    StateFolder(
        "attached",
        "files that went with prompts, for Claude to read",
        "as long as the session",
        per_session=True,
        with_session=True,
        in_trash=True,
    ),
    StateFolder(
        "drafts",
        "what was typed and chosen and not sent",
        "the newest 500",
        1,
        per_session=True,
        in_trash=True,
    ),
    StateFolder(
        "options",
        "what was chosen for a session",
        "as long as the session",
        1,
        per_session=True,
        with_session=True,
    ),
    StateFolder(
        "profiles",
        "the limits and instructions that a session of an agent is started with",
        "as long as the session",
        1,
        per_session=True,
        with_session=True,
        in_trash=True,
    ),
    store.FOLDER,
    store.PROGRESS,
    *COPIES,
    StateFolder(budget_book.LIMITS, "the budgets", version=BUDGETS_VERSION),
    StateFolder(
        budget_book.SPENDING,
        "what runs have cost, by day",
        f"{DAYS_KEPT} days",
        BUDGETS_VERSION,
    ),
    StateFolder(
        budget_book.HOLDS,
        "the sessions that a budget has paused",
        "until a person decides, or as long as the session",
        BUDGETS_VERSION,
        per_session=True,
        with_session=True,
    ),
    checkpoint_store.FOLDER,
    checkpoint_store.TREES,
    checkpoint_store.PROJECTS,
    StateFolder("marks.json", "where reading stopped, in 1,000 sessions", version=1),
    StateFolder("flags.json", "pins, archive and tags of sessions", "as long as the session", 1),
    StateFolder(
        "index",
        "the index of all sessions, made from Claude's history files",
        "it is made again when it is removed",
        backup=Backup.INDEX,
    ),
    StateFolder(
        "file_versions",
        "earlier contents of the files that configure Claude",
        "the last 10 of each file",
        backup=Backup.SECRETS,
    ),
    StateFolder(
        "settings_schema",
        "the settings that a version of Claude knows",
        "the newest one",
        backup=Backup.NEVER,
    ),
    StateFolder(
        "offers", "what a version and login of Claude offers", "the newest 10", backup=Backup.NEVER
    ),
    StateFolder("trust", "digests of what a person has trusted of a project's files", version=1),
    StateFolder("events", "what has happened in runs, as events", "four files of 2 MB"),
    StateFolder(
        "metrics",
        "the counters of /metrics, a file for each worker",
        "for good",
        backup=Backup.NEVER,
    ),
    StateFolder("trash", "deleted sessions, and where they belong", "7 days", 1),
    StateFolder(
        "logins",
        "the logins of browsers",
        "OPCODE_LOGIN_DAYS, OPCODE_LOGIN_IDLE_DAYS; 100 at most",
        1,
        backup=Backup.SECRETS,
    ),
    StateFolder(
        "pairing",
        "hashes of pairing codes, and their use",
        "two and ten minutes",
        1,
        backup=Backup.NEVER,
    ),
    StateFolder(
        "login_failures", "failed logins of the last minutes, by network", backup=Backup.NEVER
    ),
    StateFolder(state_format.FILE, "the format of all of this, and what used it last", version=1),
    StateFolder("password", "the password, made once", backup=Backup.SECRETS),
    StateFolder("secret_key", "the key that signs cookies, made once", backup=Backup.SECRETS),
    StateFolder("reserve", "space for what must be written on a full disk", backup=Backup.NEVER),
    StateFolder("viewing", "locks of the sessions that somebody looks at", backup=Backup.NEVER),
    StateFolder(
        "known_login",
        "for whom Claude was logged in at the last start, as a hash",
        backup=Backup.NEVER,
    ),
    StateFolder(
        "templates", "compiled templates of this version", "made anew", backup=Backup.NEVER
    ),
    StateFolder("summaries", "what lists show of session files", "made anew", backup=Backup.NEVER),
    StateFolder(
        "demo", "the demo's configuration and sample project", "made anew", backup=Backup.NEVER
    ),
)


def of(features: Iterable[Feature]) -> tuple[StateFolder, ...]:
    """All declarations: the platform's, then those of the features."""
    return (*PLATFORM, *(each for feature in features for each in feature.state))
