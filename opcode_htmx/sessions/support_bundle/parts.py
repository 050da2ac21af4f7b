"""The facts of a support bundle: settings, runs and the state folder, as objects for JSON."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import os
import stat
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

from opcode_htmx.config.declarations import DeclaredSettings, Variable
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.config.redaction import HIDDEN
from opcode_htmx.runs.model.record import RUN_ID, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.sessions.support_bundle.scrubber import is_secret

RUNS = 50
MOST_ENTRIES = 100_000
SET, NOT_SET = "set", "not set"
_SHOWN = frozenset({"HOST", "OPCODE_PERMISSION_MODE", "OPCODE_LOG_LEVEL", "OPCODE_LOG_FORMAT"})
"""Texts that are shown: choices. Others may name people, machines and projects."""


def settings(given: Settings) -> dict[str, object]:
    """The value of each setting that is a number, a switch or a choice; of others whether it is
    set. And the unknown names."""
    models: Iterable[DeclaredSettings] = (given, *given.features)
    found = {
        variable.name: _shown(model, variable) for model in models for variable in model.variables()
    }
    return {"settings": found, "unknown_names": list(given.unknown)}


def _shown(model: DeclaredSettings, variable: Variable) -> object:
    value = getattr(model, variable.field)
    if is_secret(model, variable.field, variable.name):
        return HIDDEN if value else NOT_SET
    match value:
        case None:
            return NOT_SET
        case Enum():
            return str(value.value)
        case bool() | int() | float():
            return value
        case str() if value and variable.name in _SHOWN:
            return value
        case _:
            return SET if value else NOT_SET


def runs(state_dir: Path) -> list[dict[str, object]]:
    """The newest runs, without what was asked and answered, and without names of projects."""
    return [_of_run(path) for path in _newest(state_dir / "runs")]


def _newest(folder: Path) -> list[Path]:
    times = list[tuple[float, str]]()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if RUN_ID.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    times.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    return [folder / name for _, name in heapq.nlargest(RUNS, times)]


def _of_run(path: Path) -> dict[str, object]:
    found: dict[str, object] = {"id": path.name, "files": _sizes(path)}
    try:
        record = RunFolder(path).load()
    except Exception as error:
        # not its text, which quotes the file
        return {**found, "unreadable": type(error).__name__}
    return {**found, **_of_record(record)}


def _of_record(record: RunRecord) -> dict[str, object]:
    project = hashlib.sha256(record.project_path.encode("utf-8", "surrogateescape")).hexdigest()
    facts: dict[str, object] = {
        "session": record.session_id,
        "project": project[:8],
        "created_at": record.created_at,
        "launched": record.launched,
        "arguments": len(record.argv),
        "end": None,
    }
    if end := record.end:
        facts["end"] = {
            "outcome": end.outcome.value,
            "at": end.at,
            "cause": end.cause,
            "exit_status": end.exit_status,
            "lines_of_stderr": len(end.stderr),
        }
    return facts


def _sizes(folder: Path) -> dict[str, int]:
    """The bytes of the files of a run, by name."""
    names = ("run.json", "in.ndjson", "out.ndjson", "err.log", "stop.json")
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            found[name] = (folder / name).lstat().st_size
    return found


def state(state_dir: Path, declared: Iterable[str]) -> dict[str, object]:
    """What is in the state folder: entries and bytes of its declared parts, not their names."""
    names = sorted(declared)
    parts = {name: facts for name in names if (facts := _of_part(state_dir / name))}
    with contextlib.suppress(OSError):
        others = {each.name for each in state_dir.iterdir()} - set(names)
        return {"parts": parts, "others": len(others)}
    return {"parts": parts}


def _of_part(path: Path) -> dict[str, object] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    facts: dict[str, object] = {"mode": f"{stat.S_IMODE(found.st_mode):04o}"}
    if stat.S_ISDIR(found.st_mode):
        facts["entries"] = sum(1 for _ in _entries(path))
    else:
        facts["bytes"] = found.st_size
    return facts


def _entries(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_ENTRIES:
                return
            yield entry.name
