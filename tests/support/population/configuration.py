"""The user's configuration of Claude, and what the server keeps beside it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from opcode_htmx.lib.files.versioned_files import Place, VersionedFiles
from opcode_htmx.sessions.configuration import acts
from opcode_htmx.sessions.health import check as health_check
from opcode_htmx.sessions.health.check import Finding, Result
from tests.support.environment import Sandbox, state_dir
from tests.support.population.names import (
    ACT,
    BACKUP,
    EVENT,
    HOOK,
    LONG_WORD,
    MATCHER,
    RULE,
    SIGN_IN,
)


def put_health(sandbox: Sandbox) -> None:
    """A self-check that has found a thing in each state."""
    facts = {LONG_WORD: LONG_WORD, "Version": "1.2.3"}
    results = [
        Result(
            state,
            state.title(),
            Finding(state, f"Found {LONG_WORD}.", "Mend it.", f"rm {LONG_WORD}", facts),
        )
        for state in health_check.State
    ]
    content = {
        "version": 1,
        "at": time.time() - 60,
        "results": [each.as_json() for each in results],
    }
    (sandbox.state / "health.json").write_text(json.dumps(content))


def put_version(sandbox: Sandbox) -> str:
    """The id of an earlier version of the user's settings."""
    files = VersionedFiles(state_dir(sandbox.state).folder("file_versions"))
    place = Place(sandbox.config_dir / "settings.json")
    before = files.read(place)
    first = files.save(place, json.dumps({"language": LONG_WORD, "env": {}}), before.revision)
    files.save(place, before.text or "{}\n", first.revision)
    return files.versions(place)[0].id


def put_failed_act(sandbox: Sandbox) -> None:
    folder = state_dir(sandbox.state).folder(acts.FOLDER)
    folder.mkdir(parents=True)
    act = acts.Act(ACT, "Install it", "/claude/plugins", 0.0, "failed", f"No {LONG_WORD}")
    acts.SCHEMA.write(folder / f"{ACT}.json", asdict(act))


def put_backup(sandbox: Sandbox) -> None:
    path = state_dir(sandbox.state).folder("backups") / BACKUP
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a backup")


def put_mcp_servers(sandbox: Sandbox) -> None:
    """A server of the user with long texts, and a sign-in that has begun."""
    name = LONG_WORD[:60]
    definition = {"command": LONG_WORD, "args": [LONG_WORD], "env": {LONG_WORD: "x"}}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps({"mcpServers": {name: definition}}))
    sign_in = {
        "version": 1,
        "id": SIGN_IN,
        "server": name,
        "scope": "user",
        "folder": "",
        "url": f"https://{LONG_WORD[:60]}.example/authorize",
        "state": "s",
        "redirect": "http://localhost:1/callback",
        "is_ours": True,
        "until": time.time() + 3600,
    }
    folder = sandbox.state / "mcp_sign_ins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{SIGN_IN}.json").write_text(json.dumps(sign_in))


def put_settings(config_dir: Path) -> None:
    """A rule, a hook and variables of the user."""
    hooks = {EVENT: [{"matcher": MATCHER, "hooks": [HOOK]}]}
    content = {"permissions": {"allow": [RULE]}, "hooks": hooks, "env": {LONG_WORD: LONG_WORD}}
    (config_dir / "settings.json").write_text(json.dumps(content), encoding="utf-8")


def put_trust(config_dir: Path, folder: Path) -> None:
    """A trusted folder with a rule of its own."""
    settings = folder / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"permissions": {"allow": [RULE]}}), encoding="utf-8")
    path = config_dir / ".claude.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["projects"] = {str(folder): {"hasTrustDialogAccepted": True}}
    path.write_text(json.dumps(content), encoding="utf-8")


def put_documents(config_dir: Path) -> None:
    """A command, a skill and a subagent of the user, with one name, and the user's CLAUDE.md."""
    name = LONG_WORD[:60]
    header = f"---\nname: {name}\ndescription: Prunes {LONG_WORD}\n---\n"
    for file in (f"commands/{name}.md", f"skills/{name}/SKILL.md", f"agents/{name}.md"):
        path = config_dir / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}Prune the trees. {LONG_WORD}\n", encoding="utf-8")
    (config_dir / "commands" / "prune.md").write_text("Prune the trees.\n", encoding="utf-8")
    text = f"Prune the trees. {LONG_WORD}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    (config_dir / "CLAUDE.md").write_text(text, encoding="utf-8")
