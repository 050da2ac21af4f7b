"""Try a hook of a file: whether it may be, one run, and what Claude would make of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks.document import Entry
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.trial.command import Outcome, run_command
from opcode_htmx.features.claude_hooks.trial.http import is_allowed, send
from opcode_htmx.features.claude_hooks.trial.samples import sample
from opcode_htmx.features.claude_hooks.trial.verdict import verdict
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.identity import Identity

TRIED = ("command", "http")
"""The kinds that can be tried without a model."""
MOST_CHARACTERS = 100_000
WITH_ENV_FILE = frozenset({"SessionStart", "Setup", "CwdChanged", "FileChanged"})
"""Events at which Claude names a file in CLAUDE_ENV_FILE."""
NOT_TRUSTED = "The files of this project are not trusted, so nothing is run in it."


def can_be_tried(entry: Entry) -> bool:
    return entry.is_read and entry.config.get("type") in TRIED


def sample_of(editor: HookEditor, entry: Entry) -> str:
    """What the hook could get at its event, as JSON."""
    folder = str(editor.chosen.folder or "/tmp")  # noqa: S108 - a sample's text
    return json.dumps(sample(entry.event, entry.matcher, folder), indent=2, ensure_ascii=False)


def refusal(editor: HookEditor, entry: Entry, text: str) -> str:
    """Why a hook is not tried with a sample; empty if it may be."""
    if not editor.chosen.is_trusted:
        return NOT_TRUSTED
    if len(text) > MOST_CHARACTERS:
        return f"The sample must not be longer than {MOST_CHARACTERS} characters."
    url = entry.config.get("url")
    if entry.config["type"] == "http" and not is_allowed(str(url), editor.allowed_urls()):
        return "Claude does not send it: allowedHttpHookUrls does not have its address."
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return f"The sample is no valid JSON: line {error.lineno}, column {error.colno}."
    except (ValueError, RecursionError):
        return "The sample holds something that JSON cannot hold."
    return "" if isinstance(found, dict) else "The sample must be an object: { … }."


def run(
    editor: HookEditor,
    scope: Scope,
    entry: Entry,
    text: str,
    variables: Mapping[str, str],
    by: Identity,
) -> Outcome:
    """Run a hook once with a sample that is not refused."""
    log_act(by, "hook.try", event=entry.event, scope=str(scope))
    environment = {**variables, **_settings_env(editor)}
    if entry.config["type"] == "http":
        return send(entry.config, text, environment)
    with tempfile.TemporaryDirectory(prefix="opcode-hook-") as empty:
        if entry.event in WITH_ENV_FILE:
            file = Path(empty) / "env"
            file.touch(mode=0o600)
            environment["CLAUDE_ENV_FILE"] = str(file)
        return run_command(entry.config, text, editor.chosen.folder or Path(empty), environment)


def sentences(entry: Entry, outcome: Outcome) -> list[str]:
    """What Claude would make of a run."""
    return verdict(entry.event, entry.config, outcome.status, outcome.stdout, outcome.timed_out)


def _settings_env(editor: HookEditor) -> Mapping[str, str]:
    """The variables that Claude's settings give to its hooks."""
    effective = editor.report.answer(queries.SETTINGS).get("effective")
    env = effective.get("env") if isinstance(effective, dict) else None
    given = env.items() if isinstance(env, dict) else ()
    return {
        name: value
        for name, value in given
        if isinstance(value, str) and name and "=" not in name and "\0" not in name + value
    }
