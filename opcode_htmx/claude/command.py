"""Build Claude's command line and environment. Prompts are never part of either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def build(
    binary: Path,
    session_id: str,
    *,
    resume: bool,
    permission_mode: str | None,
    readable: Path | None = None,
) -> tuple[str, ...]:
    """The argv for a conversation over stdin and stdout, new or resumed under `session_id`.

    `readable` is a folder beside the project that Claude may read without asking.
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
    if permission_mode:
        argv += ["--permission-mode", permission_mode]
    if readable:
        argv += ["--add-dir", str(readable)]
    return tuple(argv)


def environment(
    base: Mapping[str, str], changes: Mapping[str, str], removed: Iterable[str] = ()
) -> dict[str, str]:
    """The environment for Claude: `base` without the `removed` names, and with `changes`."""
    kept = {name: value for name, value in base.items() if name not in set(removed)}
    return {**kept, **changes}
