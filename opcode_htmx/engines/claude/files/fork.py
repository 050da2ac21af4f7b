"""Fork a session: copy its conversation, up to a point, into a new session.

As the CLI's SDK does it: the entries of the conversation under new ids, each with its origin, and
the files of its subagents. What the CLI keeps for undo is not copied.
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

from opcode_htmx.engines.claude.files import subagents, titles
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_list, as_str
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files

_KINDS = frozenset({"user", "assistant", "attachment", "system", "progress"})
_OF_THE_OTHER = ("teamName", "agentName", "slug", "sourceToolAssistantUUID")


class NothingToFork(Exception):
    """There is no conversation in the session yet."""


class InMidWork(Exception):
    """At this place of the conversation Claude waits for a tool."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a copy: without entries after byte `end` or beside the path to `leaf`."""

    end: int
    leaf: str
    """The uuid of an entry; empty before the first one."""


def fork(path: Path, name: str, cut: Cut | None = None, new: str = "") -> str:
    """Write the copy beside the history file at `path`; return the id of the new session.

    `name` is its title, and `new` its id if the caller has made one. It ends at `cut`, see
    `cut_before` and `cut_behind`, or where Claude would continue; abandoned branches are not
    copied. The file is read twice, a line at a time, since it may be long. Raises NothingToFork.
    """
    new = new or str(uuid.uuid4())
    ids, skipped = _ids(path, cut)
    if not ids:
        raise NothingToFork("There is nothing to fork yet: Claude has noted no conversation.")
    target = path.with_name(f"{new}.jsonl")
    draft = path.with_name(f".{new}.part")  # not a session until it is complete
    by_call = subagents.agents_by_call(subagents.folder_of(path))
    try:
        with os.fdopen(_create(draft), "wb") as file:
            agents = set[str]()
            for entry in _copied_entries(path, new, ids, skipped):
                file.write(_line(entry))
                agents |= _agents(entry, by_call)
            file.write(titles.line(new, name))
            atomic_files.sync(file)
        _copy_subagents(path, target, agents, by_call)
        draft.rename(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return new


def cut_before(path: Path, begin: int) -> Cut:
    """The cut before a prompt whose line ends at byte `begin`."""
    lineage = Lineage()
    for entry, line_end in _lines(path):
        lineage.add(entry)
        if line_end >= begin:
            return Cut(end_before(path, begin), lineage.parent(as_str(entry.get("uuid"))))
    return Cut(0, "")


def cut_behind(path: Path, end: int) -> Cut:
    """The cut after the line that ends at byte `end`. Raises InMidWork."""
    uuids = (as_str(entry.get("uuid")) for entry, line_end in _lines(path) if line_end >= end)
    return Cut(end_behind(path, end), next(uuids, ""))


def end_before(path: Path, begin: int) -> int:
    """The byte at which to cut before a prompt whose line ends at `begin`: 0 if it is the first."""
    place = said = 0
    for entry, line_end in _lines(path):
        if line_end >= begin:
            break
        if _is_spoken(entry) and not entry.get("isMeta"):  # a note belongs to what follows it
            place = line_end
            said = said or entry["type"] in ("user", "assistant")
    return place if said else 0


def end_behind(path: Path, end: int) -> int:
    """The byte at which to cut after `end`, so that each call that is kept has its result.

    Where Claude has called several tools at once, the others' results are kept as well; a call
    without a result, although the conversation went on, will never have one. Raises InMidWork.
    """
    place, message_id, waiting = 0, None, set[str]()
    for entry, line_end in _lines(path):
        beyond = line_end > end
        if beyond and not waiting:
            break
        if not _is_spoken(entry):
            continue
        calls, results = _tools(entry)
        if entry["type"] == "assistant" and as_dict(entry.get("message")).get("id") != message_id:
            message_id = as_dict(entry.get("message")).get("id")
            waiting.clear()
        elif entry["type"] == "user" and not results and not entry.get("isMeta"):
            waiting.clear()
        if beyond and not waiting:
            break
        waiting = (waiting | calls) - results
        if not beyond or calls or results:
            place = line_end
    if waiting:
        raise InMidWork("Claude is not done with a tool here. Fork from another place, or later.")
    return place


def _tools(entry: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The ids of the tools that are called in an entry, and of those whose results it holds."""
    parts = list(_parts(entry))
    calls = {as_str(part.get("id")) for part in parts if part.get("type") == "tool_use"}
    results = (part.get("tool_use_id") for part in parts if part.get("type") == "tool_result")
    return calls, set(map(as_str, results))


def _ids(path: Path, cut: Cut | None) -> tuple[dict[str, str], dict[str, str | None]]:
    """New ids for the entries that are copied, and the parents of those that are left out."""
    ids: dict[str, str] = {}
    skipped: dict[str, str | None] = {}
    lineage = Lineage()
    for entry, line_end in _lines(path):
        if cut is not None and line_end > cut.end:
            break
        lineage.add(entry)
        if _is_spoken(entry):
            ids[entry["uuid"]] = str(uuid.uuid4())
        elif isinstance(entry.get("uuid"), str):
            skipped[entry["uuid"]] = as_str(entry.get("parentUuid"))
    leaf = cut.leaf if cut else lineage.leaf
    left = lineage.left(leaf) if leaf else ids
    return {old: new for old, new in ids.items() if old not in left}, skipped


def _is_spoken(entry: dict[str, Any]) -> bool:
    kind = entry.get("type")
    return (
        kind in _KINDS
        and kind != "progress"
        and isinstance(entry.get("uuid"), str)
        and not entry.get("isSidechain")
    )


def _copied_entries(
    path: Path, new: str, ids: dict[str, str], skipped: dict[str, str | None]
) -> Iterator[dict[str, Any]]:
    """The entries of the copy."""
    old, now = path.stem, _now()
    replacements: list[Any] = []
    last: dict[str, Any] = {}
    for entry in _entries(path):
        if entry.get("type") == "content-replacement" and entry.get("sessionId") == old:
            replacements += as_list(entry.get("replacements"))
        elif as_str(entry.get("uuid")) in ids and _is_spoken(entry):
            if last:
                yield last
            last = _copied(entry, old, new, ids, skipped)
    yield {**last, "timestamp": now}  # Claude continues after the entry with the newest time
    if replacements:
        yield {
            "type": "content-replacement",
            "sessionId": new,
            "replacements": replacements,
            "uuid": str(uuid.uuid4()),
            "timestamp": now,
        }


def _copied(
    entry: dict[str, Any], old: str, new: str, ids: dict[str, str], skipped: dict[str, str | None]
) -> dict[str, Any]:
    parent: str | None = as_str(entry.get("parentUuid"))
    seen = set()
    while parent in skipped and parent not in seen:
        seen.add(parent)
        parent = skipped[parent]
    logical = entry.get("logicalParentUuid")
    kept = {name: value for name, value in entry.items() if name not in _OF_THE_OTHER}
    return {
        **kept,
        "uuid": ids[entry["uuid"]],
        "parentUuid": ids.get(parent or ""),
        **({"logicalParentUuid": ids.get(logical)} if isinstance(logical, str) else {}),
        "sessionId": new,
        "isSidechain": False,
        "forkedFrom": {"sessionId": old, "messageUuid": entry["uuid"]},
    }


def _parts(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return map(as_dict, as_list(as_dict(entry.get("message")).get("content")))


def _agents(entry: dict[str, Any], by_call: dict[str, str]) -> set[str]:
    """The ids of the agents that an entry starts or reports."""
    account = as_str(as_dict(entry.get("toolUseResult")).get("agentId"))
    return {account, *(by_call.get(call, "") for call in _tools(entry)[0])} - {""}


def _copy_subagents(source: Path, target: Path, agents: set[str], by_call: dict[str, str]) -> None:
    """Copy the files of these subagents of the session `source`, and of those that they started."""
    folder, left, done = subagents.folder_of(target), set(agents), set[str]()
    while left:
        agent_id = left.pop()
        file = subagents.file_of(subagents.folder_of(source), agent_id)
        if file is None or agent_id in done:
            continue
        done.add(agent_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(_create(folder / file.name), "wb") as copy:
            for entry in _entries(file):
                copy.write(_line({**entry, "sessionId": target.stem}))
                left |= _agents(entry, by_call)
        about = file.with_suffix(".meta.json")
        if about.is_file():
            with os.fdopen(_create(folder / about.name), "wb") as copy:
                copy.write(about.read_bytes())


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    return (entry for entry, _ in _lines(path))


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The entries of a file, and the bytes at which their lines end."""
    end = 0
    with path.open("rb") as file:
        for data in yielding(file):
            end += len(data)
            try:
                entry = bounded_json.loads(data)
            except ValueError:
                continue  # the last line may be half written
            if isinstance(entry, dict):
                yield entry, end


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
