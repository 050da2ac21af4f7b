"""Build Claude's command line and environment. Prompts are never part of either."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from opcode_htmx.engines.base import LaunchProfile, QueryOptions

_NO_BYPASS = {"permissions": {"disableBypassPermissionsMode": "disable"}}
NO_BYPASS = json.dumps(_NO_BYPASS)
"""Settings that disable bypass mode, whatever Claude's other settings are."""

_SOURCES = "--setting-sources"
_SETTINGS = "--settings"
_NO_SERVERS = "--strict-mcp-config"

FORWARD_SUBAGENT_ENV = {"CLAUDE_CODE_FORWARD_SUBAGENT_TEXT": "1"}
"""Makes stdout as complete as the history files: with the text and thinking of subagents."""
REWIND_ENV = {"CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING": "1"}
"""Makes Claude keep what its tools overwrite, so that it can take that back."""


def build(
    binary: Path,
    session_id: str,
    *,
    resume: bool,
    permission_mode: str | None = None,
    model: str | None = None,
    effort: str | None = None,
    allow_bypass: bool = False,
    readable: Path | None = None,
    project_settings: bool = True,
    profile: LaunchProfile | None = None,
    max_cost_usd: float | None = None,
) -> tuple[str, ...]:
    """The argv for a conversation over stdin and stdout, new or resumed under `session_id`.

    None is left to the settings of Claude and of the project. `readable` is a folder
    beside the project that Claude may read without asking. Without `project_settings`, nothing of
    the project's settings, commands, skills, agents, MCP servers and CLAUDE.md is read. The
    settings of a `profile` are made by `profile_settings`. `max_cost_usd` counts from the start
    of the process.
    """
    argv = [
        str(binary),
        "-p",
        *("--input-format", "stream-json"),
        *("--output-format", "stream-json"),
        "--verbose",
        "--include-partial-messages",
        "--replay-user-messages",
        *("--permission-prompt-tool", "stdio"),
        *("--resume" if resume else "--session-id", session_id),
    ]
    for name, value in (
        ("--permission-mode", permission_mode),
        ("--model", model),
        ("--effort", effort),
    ):
        if value:
            argv += [name, value]
    # the first allows a later switch to bypass mode; the second rules it out, even in a file
    if allow_bypass:
        argv.append("--allow-dangerously-skip-permissions")
    elif profile is None:
        argv += [_SETTINGS, NO_BYPASS]
    if profile:
        argv += _of_profile(profile)
    if readable:
        argv += ["--add-dir", str(readable)]
    if not project_settings:
        argv += [_SOURCES, "user"]
    if max_cost_usd:
        argv += ["--max-budget-usd", f"{max_cost_usd:.4f}"]
    return tuple(argv)


def _of_profile(profile: LaunchProfile) -> Iterator[str]:
    """Files, and no texts: every user of the computer can read a command line."""
    yield from (_SETTINGS, str(profile.settings))
    if profile.prompt:
        verb = "" if profile.replaces_prompt else "append-"
        yield from (f"--{verb}system-prompt-file", str(profile.prompt))
    if profile.without_servers:
        yield _NO_SERVERS


def profile_settings(content: Mapping[str, object], *, allow_bypass: bool) -> str:
    """The text of a profile's settings file, for a server that allows bypass mode or does not.

    Raises ValueError for a number that JSON has not got: Claude would ignore the whole file.
    """
    permissions = content.get("permissions")
    merged = {
        **(permissions if isinstance(permissions, dict) else {}),
        **({} if allow_bypass else _NO_BYPASS["permissions"]),
    }
    content = {**content, "permissions": merged}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)


def is_isolated(argv: Sequence[str]) -> bool:
    """Whether a command line was built without `project_settings`."""
    return option(argv, _SOURCES) == "user"


def build_probe(binary: Path, session_id: str) -> tuple[str, ...]:
    """The argv for a probe: a Claude that only lists its capabilities.

    It must do nothing else: by default it would run SessionStart hooks and start the MCP servers.
    """
    return build_query(binary, session_id, QueryOptions(project_settings=False))


def build_query(binary: Path, session_id: str, options: QueryOptions) -> tuple[str, ...]:
    """The argv for a Claude that only answers control requests, and leaves no history."""
    project_settings = options.project_settings
    argv = list(build(binary, session_id, resume=False, project_settings=project_settings))
    argv[argv.index(_SETTINGS) + 1] = json.dumps({**_NO_BYPASS, "disableAllHooks": True})
    argv += () if options.servers else (_NO_SERVERS,)
    return (*argv, "--no-session-persistence")


def option(argv: Sequence[str], name: str) -> str:
    """The value of an option in a command line; empty if it has none."""
    return argv[argv.index(name) + 1] if name in argv[:-1] else ""


def environment(
    base: Mapping[str, str], changes: Mapping[str, str], removed: Iterable[str] = ()
) -> dict[str, str]:
    """The environment for Claude: `base` without the `removed` names, and with `changes`."""
    kept = {name: value for name, value in base.items() if name not in set(removed)}
    return {**kept, **changes}
