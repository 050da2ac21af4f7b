"""Check of Claude's hooks of the user: their files can be read, and their programs are there."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.config import hook_rules, redaction, scopes
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_list
from opcode_htmx.lib.formatting import count
from opcode_htmx.sessions.health.check import Finding, State

_SHOWN = 5
_OF_THE_SHELL = frozenset("!;&|<>(){}[]$`*?~=\"'\\#")
"""A word with one of them is not simply the name of a program."""
_BUILT_IN = frozenset(
    ("if", "for", "while", "until", "case", "cd", "echo", "exit", "export", "set", "source", ".")
    + ("test", "true", "false", "printf", "read", "eval", "exec", "trap", "unset", "time", "wait")
)


def hooks(settings: Settings) -> Finding:
    """What Claude would skip without a word: a damaged file, a wrong hook, a missing program."""
    problems, number = list[tuple[str, str]](), 0
    for path in _files(settings):
        content, problem = _content(path)
        if problem:
            problems.append((path.name, problem))
            continue
        for event, hook in _hooks(content):
            number += 1
            if problem := _problem(event, hook, settings):
                problems.append((event, problem))
    if not problems:
        words = count(number, "hook") if number else "No hooks"
        return Finding(State.OK, f"{words}, and the settings can be read.")
    more = len(problems) - _SHOWN
    shown = enumerate(problems[:_SHOWN], 1)
    facts = {f"{place}. {where}": text for place, (where, text) in shown}
    if more > 0:
        facts["And"] = f"{more} more"
    return Finding(
        State.WARNING,
        f"{count(len(problems), 'thing is', 'things are')} wrong with the hooks in Claude's "
        "settings: such a hook does not run, and Claude does not say so.",
        "Mend it in Claude → Hooks, or in the file.",
        f"${{EDITOR:-vi}} {shlex.quote(str(settings.claude_config_dir / 'settings.json'))}",
        facts,
    )


def _files(settings: Settings) -> Iterator[Path]:
    yield from scopes.managed_files()
    if (own := settings.claude_config_dir / "settings.json").exists():
        yield own


def _content(path: Path) -> tuple[dict[str, Any], str]:
    """The object in a settings file, or why Claude ignores it."""
    try:
        found = bounded_json.loads(path.read_bytes())
    except OSError as error:
        return {}, f"{path.name} cannot be read ({error.strerror})."
    except ValueError:
        return {}, f"{path.name} is not valid JSON, so Claude ignores all of it."
    if not isinstance(found, dict):
        return {}, f"{path.name} holds no object, so Claude ignores all of it."
    return found, ""


def _hooks(content: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for event, groups in as_dict(content.get("hooks")).items():
        for group in as_list(groups):
            for hook in as_list(as_dict(group).get("hooks")):
                yield str(event), hook


def _problem(event: str, hook: object, settings: Settings) -> str:
    """What is wrong with a hook; empty if nothing is found. Never quotes its command."""
    if event not in hook_rules.EVENTS:
        return "there is no such event."
    if reason := hook_rules.problem(hook):
        return reason
    if not isinstance(hook, dict) or hook["type"] != "command":
        return ""
    if "args" in hook or hook.get("shell") == "powershell":
        return ""
    program = _program(hook["command"])
    if program and not _is_there(program, settings):
        return f"the program {redaction.in_text(program)} was not found."
    return ""


def _program(command: str) -> str:
    """The program that a command begins with; empty where only a shell can tell."""
    word = next(iter(command.split()), "")
    if not word or word in _BUILT_IN or _OF_THE_SHELL.intersection(word):
        return ""
    return word


def _is_there(program: str, settings: Settings) -> bool:
    if "/" in program:
        # a relative one is looked for in the project, which is not known here
        return not program.startswith("/") or os.access(program, os.X_OK)
    return shutil.which(program, path=settings.child_environment.get("PATH")) is not None
