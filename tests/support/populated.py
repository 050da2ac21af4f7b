"""A sandbox in which every address of the app leads to something: a project, a session, a draft.

A new route finds its values here by the names of its parts (`project_id`, `session_id`, …). A part
with a new name gets a line in `Populated.known`.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.web.origin.cors import API_FOLDERS
from tests.security.access.doors import Door
from tests.support.clients import api
from tests.support.environment import Sandbox
from tests.support.population.configuration import (
    put_backup,
    put_documents,
    put_failed_act,
    put_health,
    put_mcp_servers,
    put_settings,
    put_trust,
    put_version,
)
from tests.support.population.copies import put_clones, put_copies
from tests.support.population.names import (
    ACT,
    ANSWER,
    BACKUP,
    CHANGED,
    CHANGED_FILE,
    CLONE,
    COMMENT,
    DELETED,
    EVENT,
    HOOK,
    KEPT_COPY,
    LONG_WORD,
    MARKDOWN,
    MATCHER,
    PAPER,
    PROMPT,
    RACE,
    RULE,
    SCHEDULE,
    SESSION,
    SIGN_IN,
    TERMINAL,
    UPLOAD,
    garden_of,
    trusted_of,
)
from tests.support.population.project import (
    plant,
    put_changes,
    put_checkpoints,
    put_files,
    put_git_pages,
)
from tests.support.population.session import (
    history_of,
    put_agent,
    put_draft,
    put_saved_prompt,
    put_schedules,
    put_terminal,
)

__all__ = ["LONG_WORD", "SESSION", "Populated", "populate"]

PLACES = ("/projects/<project_id>", "/projects/<project_id>/sessions/<session_id>")

QUERY = {"before": f"{ANSWER}-0"}
"""Parameters of pages that do not answer without them; each of the others is sent them as well."""

FILES = "/projects/<project_id>/files/{}"


@dataclass(frozen=True)
class Populated:
    """`project` is the folder of the session; `token` is that of a file in every draft.

    `saved_id` is the id of a saved prompt, `version_id` that of a version of the user's settings,
    `kept_id` that of discarded changes.
    """

    project: Path
    config_dir: Path
    token: str
    saved_id: str
    version_id: str
    kept_id: str

    @property
    def known(self) -> dict[str, str]:
        """Values for the parts of addresses, by name. Those of runs are well-formed only."""
        return {
            "project_id": project_id(self.project),
            "session_id": SESSION,
            "either_id": SESSION,
            "block_id": PROMPT,
            "token": self.token,
            "saved_id": self.saved_id,
            "filename": "style.css",
            "number": "0",
            "run_id": "1" * 32,
            "verb": "remove",
            "file_name": "settings-user",
            "version_id": self.version_id,
            "setting_name": "language",
            "memory_file": "memory-user",
            "scope": "user",
            "document": LONG_WORD[:60],
            "command_id": "user-prune",
            "subagent_id": f"user-{LONG_WORD[:60]}",
            "server": LONG_WORD[:60],
            "sign_in_id": SIGN_IN,
            "act_id": ACT,
            "kept_id": self.kept_id,
            "backup_name": BACKUP,
            "plugin_id": "greeter@orchard",
            "agent_id": "1",
            "agent_run": "1",
            "schedule_id": SCHEDULE,
            "until": "4000000000",
            "comment_id": COMMENT,
            "deleted_id": DELETED,
            "upload_id": UPLOAD,
            "worktree_id": copy_id(garden_of(self.project) / PLACE / "copy"),
            "kept_copy": KEPT_COPY,
            "start_act": "again",
            "race_id": RACE,
            "contestant": "a",
            "repo": CLONE,
            "clone_worktree": f"{CLONE}__{SESSION}",
            "checkpoint": "1",
            "terminal_id": TERMINAL,
        }

    def address(self, door: Door) -> str:
        """The address of a door of the same app, with values that lead to something."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: self._value(door, part[1]), door.rule)
        return "?".join(filter(None, (path, self.query(door))))

    def query(self, door: Door) -> str:
        """The query string; the API refuses unknown parameters."""
        own = self.queries.get(door.rule, {})
        return urlencode(own if door.rule.startswith(API_FOLDERS) else {**QUERY, **own})

    @property
    def queries(self) -> dict[str, dict[str, str]]:
        """The parameters of pages that show nothing of their own without them, by their rules."""
        entry = document.Entry(EVENT, MATCHER, dict(HOOK), is_read=True)
        hook = {"scope": "user", "event": EVENT, "id": entry.id}
        rule = {"kind": "allow", "text": RULE, "scope": "user"}
        return {
            "/api/claude-md/read": {"file_path": str(self.config_dir / "CLAUDE.md")},
            "/api/projects/<project_id>/files/content": {"path": MARKDOWN},
            "/api/settings/permissions/rules/matches": rule,
            FILES.format("pdf-page"): {"path": PAPER, "page": "1"},
            **dict.fromkeys(map(FILES.format, ("edit", "open", "raw", "view")), {"path": MARKDOWN}),
            "/projects/<project_id>/sessions/<session_id>/checkpoints/<int:checkpoint>/file": {
                "file": base64.urlsafe_b64encode(b"pruned.txt").decode().rstrip("="),
                "against": "now",
            },
            "/projects/<project_id>/sessions/<session_id>/rewind": {"prompt": PROMPT},
            "/claude/hooks/hook": hook,
            "/claude/hooks/try": hook,
            "/claude/permissions": {"tool": "Bash", "subject": f"prune {LONG_WORD[:200]}"},
            "/claude/permissions/rule": rule,
            "/races/new": {"folder": str(garden_of(self.project))},
            "/worktrees/settings": {"folder": str(garden_of(self.project))},
            "/claude/trust/project": {"name": str(trusted_of(self.project))},
            **{
                f"{place}/changes/{name}": CHANGED for place in PLACES for name in ("file", "lines")
            },
            "/api/projects/<project_id>/changes/diff": {"path": CHANGED["path"]},
            "/projects/<project_id>/git/file": {"path": CHANGED_FILE, "side": "unstaged"},
            "/api/projects/<project_id>/git/programs": {"act": "commit"},
        }

    def _value(self, door: Door, name: str) -> str:
        known = self.known.get(name)
        return door.values[name] if known is None else quote(known)


def populate(sandbox: Sandbox) -> Populated:
    """Write the files, with long texts wherever possible."""
    project = sandbox.project / LONG_WORD[:200]
    project.mkdir(exist_ok=True)
    api.session(sandbox.config_dir, project, "".join(history_of(project)), SESSION)
    put_documents(sandbox.config_dir)
    put_settings(sandbox.config_dir)
    put_failed_act(sandbox)
    put_schedules(sandbox, project)
    draft, saved_id = put_draft(sandbox, project), put_saved_prompt(sandbox, project)
    put_mcp_servers(sandbox)
    put_files(sandbox, project)
    put_agent(sandbox, project)
    kept_id = put_git_pages(sandbox, project)
    plant(sandbox, project)
    put_copies(sandbox, project)
    put_checkpoints(sandbox, project)
    put_changes(sandbox, project)
    put_trust(sandbox.config_dir, trusted_of(project))
    put_clones(sandbox)
    put_health(sandbox)
    put_terminal(sandbox, project)
    put_backup(sandbox)
    return Populated(project, sandbox.config_dir, draft, saved_id, put_version(sandbox), kept_id)
