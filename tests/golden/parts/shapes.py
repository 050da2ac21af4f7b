"""Turn what a server writes and sends into what must not change: shapes, and placeholders."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

KEPT = {"version", "outcome", "type", "subtype", "role", "behavior", "mode"}
"""Members whose values are part of the contract."""

FOREIGN = {"models", "commands", "updatedInput"}
"""Members whose values are Claude's own, and another version's look different."""

PATTERNS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH64"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "HASH40"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "TIME"),
    (re.compile(r"\b(msg_|r)1\d{18}(_\d+)?"), r"\1NUMBER"),
    (re.compile(r"\b1\d{9}\.\d+"), "SECONDS"),
    (re.compile(r"\bID\.\d+\.\d+"), "ID.OFFSET.OFFSET"),
)


def masked(text: str, names: Mapping[str, str]) -> str:
    """`text` with `names` replaced, longest first, and then all that differs from run to run."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    for pattern, name in PATTERNS:
        text = pattern.sub(name, text)
    return text


def masked_json(value: object, names: Mapping[str, str]) -> Any:
    return json.loads(masked(json.dumps(value, ensure_ascii=False), names))


def shape(value: object, name: str = "") -> Any:
    """The types of a JSON value, by member; of a list, the shapes that are in it."""
    match value:
        case _ if name in FOREIGN:
            return "Claude's"
        case dict():
            return {masked(key, {}): shape(each, key) for key, each in value.items()}
        case list():
            return distinct(shape(each) for each in value)
        case _ if name in KEPT:
            return value
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return "string"


def distinct(values: Iterable[object]) -> list[Any]:
    """The different ones, in a fixed order."""
    texts = {json.dumps(value, sort_keys=True, ensure_ascii=False) for value in values}
    return [json.loads(text) for text in sorted(texts)]


def folder(root: Path, names: Mapping[str, str], foreign: Iterable[str] = ()) -> dict[str, Any]:
    """What is in a folder: for each name the kinds and modes, and the shapes of JSON in it.

    `foreign`: names of files whose content is not ours.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for path in sorted(root.rglob("*")):
        relative = masked(str(path.relative_to(root)), names)
        mode = path.lstat().st_mode
        about = found.setdefault(relative, {"modes": []})
        about["modes"] = distinct([*about["modes"], stat.filemode(mode)])
        if stat.S_ISREG(mode) and path.name not in foreign:
            contents = [*about.get("content", []), *map(shape, documents(path))]
            if contents:
                about["content"] = distinct(contents)
    return found


def documents(path: Path) -> list[Any]:
    """The JSON documents in a file, one or one a line; none if it holds something else."""
    if path.suffix == ".json":
        return [json.loads(path.read_bytes())]
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    return []
