"""Make a session of its own that begins with all that was said in another one.

As the CLI's SDK does it: the entries of the conversation under new ids, each with a note of where
it came from. What an agent of its own said, and what the CLI keeps for undo, stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import titles

_KINDS = frozenset({"user", "assistant", "attachment", "system", "progress"})
_OF_THE_OTHER = ("teamName", "agentName", "slug", "sourceToolAssistantUUID")


class NothingToFork(Exception):
    """There is no conversation in the session yet."""


def fork(path: Path, name: str) -> str:
    """Write the copy beside the history file at `path`; the id of the new session.

    `name` is what it is called. The file is read twice, a line at a time: it may be long.
    Raises NothingToFork.
    """
    old, new = path.stem, str(uuid.uuid4())
    ids, skipped = _ids(path)
    if not ids:
        raise NothingToFork("There is nothing to fork yet: Claude has noted no conversation.")
    target = path.with_name(f"{new}.jsonl")
    draft = path.with_name(f".{new}.part")  # no session before it is whole
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            replacements: list[Any] = []
            last: dict[str, Any] = {}
            for entry in _entries(path):
                if entry.get("type") == "content-replacement" and entry.get("sessionId") == old:
                    replacements += entry.get("replacements") or []
                elif entry.get("uuid") in ids and _is_spoken(entry):
                    if last:
                        file.write(_line(last))
                    last = _copied(entry, old, new, ids, skipped)
            now = _now()
            # Claude goes on behind the entry with the newest time
            file.write(_line({**last, "timestamp": now}))
            if replacements:
                file.write(
                    _line(
                        {
                            "type": "content-replacement",
                            "sessionId": new,
                            "replacements": replacements,
                            "uuid": str(uuid.uuid4()),
                            "timestamp": now,
                        }
                    )
                )
            file.write(titles.line(new, name))
        draft.rename(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return new


def _ids(path: Path) -> tuple[dict[str, str], dict[str, str | None]]:
    """New ids for the entries that are copied, and the parents of those that are left out."""
    ids: dict[str, str] = {}
    skipped: dict[str, str | None] = {}
    for entry in _entries(path):
        if _is_spoken(entry):
            ids[entry["uuid"]] = str(uuid.uuid4())
        elif isinstance(entry.get("uuid"), str):
            skipped[entry["uuid"]] = entry.get("parentUuid")
    return ids, skipped


def _is_spoken(entry: dict[str, Any]) -> bool:
    kind = entry.get("type")
    return (
        kind in _KINDS
        and kind != "progress"
        and isinstance(entry.get("uuid"), str)
        and not entry.get("isSidechain")
    )


def _copied(
    entry: dict[str, Any], old: str, new: str, ids: dict[str, str], skipped: dict[str, str | None]
) -> dict[str, Any]:
    parent = entry.get("parentUuid")
    seen = set()
    while parent in skipped and parent not in seen:
        seen.add(parent)
        parent = skipped[parent]
    logical = entry.get("logicalParentUuid")
    kept = {name: value for name, value in entry.items() if name not in _OF_THE_OTHER}
    return {
        **kept,
        "uuid": ids[entry["uuid"]],
        "parentUuid": ids.get(parent) if isinstance(parent, str) else None,
        **({"logicalParentUuid": ids.get(logical)} if isinstance(logical, str) else {}),
        "sessionId": new,
        "isSidechain": False,
        "forkedFrom": {"sessionId": old, "messageUuid": entry["uuid"]},
    }


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for data in file:
            try:
                entry = json.loads(data)
            except (ValueError, RecursionError):
                continue  # the last line may be half written
            if isinstance(entry, dict):
                yield entry


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
