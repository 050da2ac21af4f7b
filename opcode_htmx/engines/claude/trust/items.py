"""List what the files of a project may run, change or allow once Claude works in it.

Claude reads these files without asking where its standard input is no terminal. The list shows more
rather than less: a setting, or a line of a header, that is not known to be harmless is listed. It
shows every text unchanged, secrets too: anything left out could be what runs.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.trust.files import Files, files_below, stamp
from opcode_htmx.engines.claude.trust.plain_header import is_plain
from opcode_htmx.engines.claude.trust.repository import (
    main_checkout,
    repository_root,
)
from opcode_htmx.engines.trust import Kind, TrustItem
from opcode_htmx.lib import bounded_json

MOST_ITEMS = 1000
MOST_CHARACTERS = 10_000
"""The most characters of the text of one item; the digest covers all of it."""

HARMLESS = frozenset(
    {
        "$schema",
        "alwaysThinkingEnabled",
        "attribution",
        "availableModels",
        "companyAnnouncements",
        "disabledMcpjsonServers",
        "effortLevel",
        "enableAllProjectMcpServers",
        "enabledMcpjsonServers",
        "includeCoAuthoredBy",
        "includeGitInstructions",
        "language",
        "model",
        "outputStyle",
        "prefersReducedMotion",
        "promptSuggestionEnabled",
        "respectGitignore",
        "showTurnDuration",
        "spinnerTipsEnabled",
        "spinnerVerbs",
        "terminalProgressBarEnabled",
        "theme",
        "verbose",
    }
)
"""Settings that run nothing, send nothing anywhere and allow nothing.

Without a terminal the servers of `.mcp.json` start whatever these settings are, so they are listed
by themselves.
"""
HARMLESS_MODES = ("default", "manual", "plan", "dontAsk")
_HELPER_ENDINGS = ("Helper", "Refresh", "Export")
_STATUS_COMMANDS = ("statusLine", "subagentStatusLine", "fileSuggestion")
_SHELL_MARKS = ("!`", "```!")
_PLUGIN_FOLDER = ".claude-plugin"


def items_of(folder: Path, home: Path, config_dir: Path) -> tuple[TrustItem, ...]:
    """The items that take effect in `folder`, which is resolved. Raises no error.

    Claude reads settings in the folder and local ones at the root of its repository too, and MCP
    servers, commands, skills and agents in all folders above as well (measured with 2.1.330). Files
    below `config_dir`, or in `.claude` of the home folder, are the person's own.
    """
    found: dict[str, TrustItem] = {}
    rest = hashlib.sha256()
    for item in _all(Files(), folder, home, {config_dir, home / ".claude"}):
        if len(found) < MOST_ITEMS:
            found.setdefault(item.digest, item)
        elif item.digest not in found:
            rest.update(item.digest.encode())
    if len(found) < MOST_ITEMS:
        return tuple(found.values())
    reason = f"There are more than {MOST_ITEMS:,} items; the rest is not listed."
    more = _item(Kind.UNREADABLE, folder.name, reason, folder, whole=rest.hexdigest())
    return (*found.values(), more)


def permission_item(name: str, text: str, file: Path) -> TrustItem:
    """The item of an entry under `permissions`: `allow` and a rule, say."""
    return _item(Kind.PERMISSION, name, text, file)


def _all(files: Files, folder: Path, home: Path, own: set[Path]) -> Iterator[TrustItem]:
    root = repository_root(folder)
    if folder / ".claude" not in own:
        yield from _settings(files, folder / ".claude" / "settings.json")
    local = [folder, *([root] if root else [])]
    if root and (checkout := main_checkout(root)):
        local.append(checkout)
    for each in dict.fromkeys(local):
        if each / ".claude" not in own:
            yield from _settings(files, each / ".claude" / "settings.local.json")
    for each in (folder, *folder.parents):
        yield from _servers(files, each / ".mcp.json")
        if each / ".claude" not in own:
            yield from _instructions(files, each / ".claude")
        if each == home:
            return


# settings.json -------------------------------------------------------------------------------


def _settings(files: Files, path: Path) -> Iterator[TrustItem]:
    content, unreadable = _object(files, path)
    yield from unreadable
    for name, value in content.items():
        if name in HARMLESS:
            continue
        match name, value:
            case "hooks", dict():
                yield from _hooks(value, path)
            case "env", dict():
                for variable, text in value.items():
                    yield _item(Kind.ENVIRONMENT, variable, _text(text), path)
            case "permissions", dict():
                yield from _permissions(value, path)
            case (("enabledPlugins" | "extraKnownMarketplaces"), dict()):
                for plugin, given in value.items():
                    yield _item(Kind.PLUGIN, plugin, _text(given), path, whole=_text([name, given]))
            case _ if name.endswith(_HELPER_ENDINGS) or name in _STATUS_COMMANDS:
                yield _item(Kind.HELPER, name, _text(value), path)
            case _:
                yield _item(Kind.SETTING, name, _text(value), path)


def _hooks(hooks: Mapping[str, Any], path: Path) -> Iterator[TrustItem]:
    for event, matchers in hooks.items():
        for matcher in matchers if isinstance(matchers, list) else [matchers]:
            inner = matcher.get("hooks") if isinstance(matcher, dict) else None
            named = matcher.get("matcher") if isinstance(matcher, dict) else None
            name = f"{event} {named}" if isinstance(named, str) and named else event
            for hook in inner if isinstance(inner, list) else [matcher]:
                whole = _text([event, named, hook])
                yield _item(Kind.HOOK, name, _hook_text(hook), path, whole=whole)


def _hook_text(hook: object) -> str:
    """The command where there is nothing else; otherwise all that there is."""
    match hook:
        case {"type": "command", "command": str(command), **more} if set(more) <= {"timeout"}:
            return command
    return _text(hook)


def _permissions(permissions: Mapping[str, Any], path: Path) -> Iterator[TrustItem]:
    for name, value in permissions.items():
        match name, value:
            case (("deny" | "ask" | "disableBypassPermissionsMode"), _):
                pass
            case "defaultMode", str() if value in HARMLESS_MODES:
                pass
            case _, list():
                for each in value:
                    yield _item(Kind.PERMISSION, name, _text(each), path)
            case _:
                yield _item(Kind.PERMISSION, name, _text(value), path)


# .mcp.json and the folders of .claude --------------------------------------------------------


def _servers(files: Files, path: Path) -> Iterator[TrustItem]:
    content, unreadable = _object(files, path)
    yield from unreadable
    servers = content.get("mcpServers")
    for name, given in servers.items() if isinstance(servers, dict) else ():
        yield _item(Kind.SERVER, name, _server_text(given), path, whole=_text(given))


def _server_text(server: object) -> str:
    """The command line where there is nothing else; otherwise all that there is."""
    match server:
        case {"command": str(command), **more} if set(more) <= {"args", "type"}:
            args = more.get("args", [])
            if isinstance(args, list) and all(isinstance(each, str) for each in args):
                return shlex.join([command, *args])
    return _text(server)


def _instructions(files: Files, folder: Path) -> Iterator[TrustItem]:
    """Commands, skills and agents that run something, plugins, workflows, prompts with a time."""
    for name in ("commands", "skills", "agents", "workflows"):
        paths, left_out = files_below(folder / name)
        for path in paths:
            yield from _instruction(files, path, folder)
        for root in sorted({p.parent.parent for p in paths if _is_plugin_file(p)}):
            yield _plugin(files, root, folder)
        if left_out:
            reason = "There is more here than is looked through; the rest is not listed."
            yield _item(Kind.UNREADABLE, name, reason, folder / name, whole=left_out)
    path = folder / "scheduled_tasks.json"
    content, unreadable = _object(files, path)
    yield from unreadable
    tasks = content.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        given = task if isinstance(task, dict) else {}
        text = _text(given.get("prompt", task))
        yield _item(Kind.SCHEDULE, _text(given.get("cron", "")), text, path, whole=_text(task))


def _instruction(files: Files, path: Path, folder: Path) -> Iterator[TrustItem]:
    name = str(path.relative_to(folder))
    is_workflow = name.startswith("workflows/")
    if not (is_workflow or path.name.lower().endswith(".md")):
        return
    text, reason = files.read(path)
    if text is None:
        if reason:
            yield _unreadable(name, reason, path)
    elif (
        is_workflow
        or any(mark in text for mark in _SHELL_MARKS)
        or not is_plain(text, of_agent=name.startswith("agents/"))
    ):
        yield _item(Kind.COMMAND, name, text, path)


def _is_plugin_file(path: Path) -> bool:
    return path.parent.name.lower() == _PLUGIN_FOLDER


def _plugin(files: Files, root: Path, folder: Path) -> TrustItem:
    """A folder that Claude loads as a plugin, with all its files: any of them may run something."""
    texts: list[tuple[str, str]] = []
    paths, left_out = files_below(root)
    for path in paths:
        text, reason = files.read(path)
        shown = f"{reason} {stamp(path)}" if text is None else text
        texts.append((str(path.relative_to(root)), shown))
    text = "\n\n".join(f"{name}\n{content}" for name, content in texts)
    whole = _text([texts, left_out])
    return _item(Kind.PLUGIN, str(root.relative_to(folder)), text, root, whole=whole)


# files ---------------------------------------------------------------------------------------


def _object(files: Files, path: Path) -> tuple[Mapping[str, Any], Iterable[TrustItem]]:
    """The object in a file, and the item to list where there is a file that holds none."""
    text, reason = files.read(path)
    if text is None:
        return {}, [_unreadable(path.name, reason, path)] if reason else ()
    try:
        content = bounded_json.loads(text.removeprefix("\ufeff"))
    except ValueError:
        content = None
    if isinstance(content, dict):
        return content, ()
    reason = "This file is not valid JSON; Claude may read it all the same."
    return {}, [_item(Kind.UNREADABLE, path.name, reason, path, whole=text)]


def _unreadable(name: str, reason: str, path: Path) -> TrustItem:
    return _item(Kind.UNREADABLE, name, reason, path, whole=stamp(path))


def _item(kind: Kind, name: str, text: str, file: Path, *, whole: str | None = None) -> TrustItem:
    identity = json.dumps([kind, name, text if whole is None else whole])
    digest = hashlib.sha256(identity.encode()).hexdigest()
    left_out = max(0, len(text) - MOST_CHARACTERS)
    return TrustItem(kind, name, text[:MOST_CHARACTERS], file, digest, left_out)


def _text(value: object) -> str:
    return (
        value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    )
