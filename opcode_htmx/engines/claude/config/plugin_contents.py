"""What a plugin brings, read from its folder: what it adds to Claude, and what it runs.

The folder is a stranger's: nothing outside it is read, and no more of it than a person can judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.config.redaction import in_arguments, in_url
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_list, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

MANIFEST = Path(".claude-plugin/plugin.json")
MARKETPLACE = Path(".claude-plugin/marketplace.json")
MOST_PARTS = 300
MOST_FOLDERS = 2000
"""Entries of folders that are looked at."""
MOST_BYTES = 256 * 1024
"""Of a file that is read; MARKETPLACE may have four times as many."""
MOST_CHARACTERS = 2000
"""Of the text of a part."""


class PartKind(StrEnum):
    """What a part of a plugin is, in words; those first run by themselves."""

    HOOK = "Hooks"
    SERVER = "MCP servers"
    LANGUAGE_SERVER = "Language servers"
    COMMAND = "Commands"
    SKILL = "Skills"
    AGENT = "Subagents"
    STYLE = "Output styles"
    UNREADABLE = "Cannot be read"


RUNNING = frozenset({PartKind.HOOK, PartKind.SERVER, PartKind.LANGUAGE_SERVER})
"""Kinds that are run on this computer, without a question."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a plugin brings; `text` is what it runs, or what it says of itself."""

    kind: PartKind
    name: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """All that was found; `is_cut` if there is more."""

    description: str
    parts: tuple[Part, ...]
    is_cut: bool = False

    @property
    def groups(self) -> Mapping[PartKind, list[Part]]:
        """The parts by their kinds, those that run first."""
        found = {kind: [each for each in self.parts if each.kind is kind] for kind in PartKind}
        return {kind: parts for kind, parts in found.items() if parts}

    @property
    def digest(self) -> str:
        """Identifies what a person was shown."""
        shown = [[str(each.kind), each.name, each.text] for each in self.parts]
        return hashlib.sha256(json.dumps([shown, self.is_cut]).encode()).hexdigest()


def entry_in(marketplace: Path, name: str) -> Mapping[str, Any] | None:
    """What the marketplace in a folder says of one of its plugins; None if it names none."""
    try:
        content = as_dict(_json(marketplace / MARKETPLACE, marketplace, 4 * MOST_BYTES))
    except (OSError, ValueError):
        return None
    for each in as_list(content.get("plugins")):
        if isinstance(each, dict) and each.get("name") == name:
            root = as_str(as_dict(content.get("metadata")).get("pluginRoot"))
            return {**each, "pluginRoot": root}
    return None


def folder_of(marketplace: Path, entry: Mapping[str, Any]) -> Path | None:
    """The folder of a plugin that lies in its marketplace; None if it has to be fetched."""
    source = entry.get("source")
    if not isinstance(source, str):
        return None
    for base in (marketplace, marketplace / as_str(entry.get("pluginRoot"))):
        folder = base / source
        if confined.is_inside(folder, marketplace) and folder.is_dir():
            return folder
    return None


def source_text(entry: Mapping[str, Any]) -> str:
    """Where a plugin comes from, in a few words."""
    source = entry.get("source")
    if isinstance(source, str):
        return source
    given = as_dict(source)
    for name in ("repo", "url", "package", "path", "command"):
        if isinstance(given.get(name), str):
            return f"{as_str(given.get('source'))} {in_url(given[name])}".strip()
    return as_str(given.get("source"))


def contents_of(folder: Path, entry: Mapping[str, Any] | None = None) -> Contents:
    """What the plugin in a folder brings; `entry` is what its marketplace adds to it."""
    parts: list[Part] = []
    is_cut = False
    try:
        manifest = as_dict(_json(folder / MANIFEST, folder)) if _is_there(folder, MANIFEST) else {}
    except (OSError, ValueError) as error:
        manifest = {}
        parts.append(Part(PartKind.UNREADABLE, str(MANIFEST), str(error)))
    for part in _parts(folder, (manifest, entry or {})):
        if len(parts) == MOST_PARTS:
            is_cut = True
            break
        parts.append(part)
        is_cut |= part.text.endswith("…")
    description = as_str(manifest.get("description")) or as_str((entry or {}).get("description"))
    return Contents(description, tuple(dict.fromkeys(parts)), is_cut)


def _parts(folder: Path, given: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    given = tuple(given)
    for usual, name, kind, read in (
        ("hooks/hooks.json", "hooks", PartKind.HOOK, _hooks),
        (".mcp.json", "mcpServers", PartKind.SERVER, _servers),
        (".lsp.json", "lspServers", PartKind.LANGUAGE_SERVER, _language_servers),
    ):
        for content in _contents(folder, usual, name, given):
            if isinstance(content, Part):
                yield content
            else:
                yield from read(content, kind)
    for usual, name, kind in (
        ("commands", "commands", PartKind.COMMAND),
        ("skills", "skills", PartKind.SKILL),
        ("agents", "agents", PartKind.AGENT),
        ("output-styles", "outputStyles", PartKind.STYLE),
    ):
        for place in _places(usual, name, given):
            yield from _documents(folder, place, kind)


def _contents(
    folder: Path, usual: str, name: str, given: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any] | Part]:
    """The objects under a name: in the usual file, in those that are named, or given in place."""
    places = [usual] if _is_there(folder, Path(usual)) else []
    for each in given:
        value = each.get(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield item
            elif isinstance(item, str):
                places.append(item)
    for place in dict.fromkeys(map(_plain, places)):
        try:
            yield as_dict(_json(folder / place, folder))
        except (OSError, ValueError) as error:
            yield Part(PartKind.UNREADABLE, place, str(error))


def _places(usual: str, name: str, given: Iterable[Mapping[str, Any]]) -> list[str]:
    places = [usual]
    for each in given:
        value = each.get(name)
        items = value if isinstance(value, list) else list(value) if isinstance(value, dict) else []
        places += [item for item in items if isinstance(item, str)]
        places += [value] if isinstance(value, str) else []
    return list(dict.fromkeys(map(_plain, places)))


def _plain(place: str) -> str:
    return place.removeprefix("./").rstrip("/") or "."


def _hooks(content: Mapping[str, Any], kind: PartKind) -> Iterator[Part]:
    for event, groups in as_dict(content.get("hooks", content)).items():
        for group in as_list(groups):
            matcher = as_str(as_dict(group).get("matcher"))
            name = f"{event} ({matcher})" if matcher else str(event)
            for hook in as_list(as_dict(group).get("hooks")):
                found = as_dict(hook)
                texts = (as_str(found.get(key)) for key in ("command", "url", "prompt"))
                text = next(filter(None, texts), "") or json.dumps(found)
                arguments = [str(each) for each in as_list(found.get("args"))]
                yield Part(kind, name, _cut(" ".join([text, *arguments])))


def _servers(content: Mapping[str, Any], kind: PartKind) -> Iterator[Part]:
    for name, each in as_dict(content.get("mcpServers", content)).items():
        yield Part(kind, str(name), _cut(_started(as_dict(each))))


def _language_servers(content: Mapping[str, Any], kind: PartKind) -> Iterator[Part]:
    for name, each in as_dict(content.get("lspServers", content)).items():
        yield Part(kind, str(name), _cut(_started(as_dict(each))))


def _started(server: Mapping[str, Any]) -> str:
    """The command that starts a server, or its address."""
    if url := as_str(server.get("url")):
        return in_url(url)
    arguments = [str(each) for each in as_list(server.get("args"))]
    environment = [f"{name}={value}" for name, value in as_dict(server.get("env")).items()]
    words = [*environment, as_str(server.get("command")), *arguments]
    return " ".join(in_arguments(words)) or json.dumps(dict(server))


def _documents(folder: Path, place: str, kind: PartKind) -> Iterator[Part]:
    """The Markdown files at a place, which is a folder or a file."""
    root = folder / place
    if not confined.is_inside(root, folder):
        yield Part(PartKind.UNREADABLE, place, "It lies outside the plugin.")
        return
    if root.is_file():
        yield Part(kind, root.stem, _description(root, folder))
        return
    for path in _markdown(root):
        if kind is PartKind.SKILL:
            if path.name == "SKILL.md":
                yield Part(kind, path.parent.name, _description(path, folder))
        else:
            inner = path.relative_to(root).with_suffix("")
            yield Part(kind, ":".join(inner.parts), _description(path, folder))


def _markdown(root: Path) -> Iterator[Path]:
    """The Markdown files below a folder, in order; links are not followed."""
    seen = 0
    waiting = [root]
    while waiting:
        folder = waiting.pop(0)
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_FOLDERS:
                return
            if entry.is_symlink():
                continue
            if entry.is_dir():
                waiting.append(entry)
            elif entry.suffix == ".md":
                yield entry


def _description(path: Path, root: Path) -> str:
    """What a document says of itself in its header; empty if it has none."""
    try:
        text = _read(path, root).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return ""
    for line in lines[1:60]:
        if line.strip() == "---":
            return ""
        name, colon, value = line.partition(":")
        if colon and name.strip() == "description":
            return _cut(value.strip().strip("\"'|>"))
    return ""


def _is_there(folder: Path, place: Path) -> bool:
    return (folder / place).exists()


def _json(path: Path, root: Path, most_bytes: int = MOST_BYTES) -> Any:
    return bounded_json.loads(_read(path, root, most_bytes))


def _read(path: Path, root: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Raises OSError, also for a file that is too large."""
    with confined.open_file(path, root) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(f"It has more than {most_bytes // 1024} KB.")
    return content


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
