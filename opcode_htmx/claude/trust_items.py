"""List what the files of a project may run, change or allow once Claude works in it.

Claude reads these files without a question where its standard input is no terminal. The list shows
more rather than less: a setting that is not known to be harmless is listed by its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from .. import bounded_json
from .repository import main_checkout, repository_root
from .secret_values import HIDDEN, in_arguments, in_url, is_secret

MOST_BYTES = 1024 * 1024
"""Of one file; what is larger is listed as unreadable."""
MOST_FILES = 500
"""Of commands, skills and agents in one folder."""
MOST_ENTRIES = 5000
"""Of the folders that are looked through for them."""
MOST_ITEMS = 1000
MOST_CHARACTERS = 4000
"""Of the text of one item; the digest covers all of it."""

HARMLESS = frozenset(
    {
        "$schema",
        "alwaysThinkingEnabled",
        "attribution",
        "autoMemoryEnabled",
        "availableModels",
        "cleanupPeriodDays",
        "companyAnnouncements",
        "disableAllHooks",
        "disabledMcpjsonServers",
        "effortLevel",
        "enableAllProjectMcpServers",
        "enabledMcpjsonServers",
        "includeCoAuthoredBy",
        "includeGitInstructions",
        "language",
        "model",
        "outputStyle",
        "plansDirectory",
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

The servers of `.mcp.json` start without a terminal whatever the settings say of them, so they are
listed by themselves.
"""
HARMLESS_MODES = ("default", "manual", "plan", "dontAsk")
_HELPER_ENDINGS = ("Helper", "Refresh", "Export")
_STATUS_COMMANDS = ("statusLine", "subagentStatusLine", "fileSuggestion")
_HEADER_KEYS = ("allowed-tools", "hooks", "mcpservers", "permissionmode", "tools")
_SHELL_MARKS = ("!`", "```!")


class Kind(StrEnum):
    """What an item does."""

    HOOK = "hook"
    HELPER = "helper"
    SERVER = "server"
    SCHEDULE = "schedule"
    PLUGIN = "plugin"
    COMMAND = "command"
    ENVIRONMENT = "environment"
    PERMISSION = "permission"
    SETTING = "setting"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class TrustItem:
    """One thing that takes effect. `text` has what it runs or says, without secrets.

    `file` is the file that it stands in, an absolute path; `digest` identifies kind, name and the
    whole content, and not the file.
    """

    kind: Kind
    name: str
    text: str
    file: Path
    digest: str


def items_of(folder: Path, home: Path, config_dir: Path) -> tuple[TrustItem, ...]:
    """The items that take effect in `folder`, which is resolved. Raises no error.

    Claude reads settings in the folder and local ones at the root of its repository too, and MCP
    servers, commands, skills and agents in all folders above as well (measured with 2.1.330). What
    stands below `config_dir`, or in `.claude` of the home folder, is the person's own.
    """
    found: dict[str, TrustItem] = {}
    for item in _all(folder, home, {config_dir, home / ".claude"}):
        found.setdefault(item.digest, item)
        if len(found) > MOST_ITEMS:
            reason = f"There are more than {MOST_ITEMS:,} items; the rest is not listed."
            more = _item(Kind.UNREADABLE, folder.name, reason, folder)
            return (*found.values(), more)
    return tuple(found.values())


def permission_item(name: str, text: str, file: Path) -> TrustItem:
    """The item of an entry under `permissions`: `allow` and a rule, say."""
    return _item(Kind.PERMISSION, name, text, file)


def _all(folder: Path, home: Path, own: set[Path]) -> Iterator[TrustItem]:
    root = repository_root(folder)
    if folder / ".claude" not in own:
        yield from _settings(folder / ".claude" / "settings.json")
    local = [folder, *([root] if root else [])]
    if root and (checkout := main_checkout(root)):
        local.append(checkout)
    for each in dict.fromkeys(local):
        if each / ".claude" not in own:
            yield from _settings(each / ".claude" / "settings.local.json")
    for each in (folder, *folder.parents):
        yield from _servers(each / ".mcp.json")
        if each / ".claude" not in own:
            yield from _instructions(each / ".claude")
        if each == home:
            return


# settings.json -------------------------------------------------------------------------------


def _settings(path: Path) -> Iterator[TrustItem]:
    content, unreadable = _object(path)
    yield from unreadable
    for name, value in content.items():
        if name in HARMLESS:
            continue
        match name, value:
            case "hooks", dict():
                yield from _hooks(value, path)
            case "env", dict():
                for variable, text in value.items():
                    shown = _shown(variable, text)
                    yield _item(Kind.ENVIRONMENT, variable, shown, path, whole=_text(text))
            case "permissions", dict():
                yield from _permissions(value, path)
            case (("enabledPlugins" | "extraKnownMarketplaces"), dict()):
                for plugin, given in value.items():
                    yield _item(Kind.PLUGIN, plugin, _text(given), path, whole=f"{name} {given}")
            case _ if name.endswith(_HELPER_ENDINGS) or name in _STATUS_COMMANDS:
                command = value.get("command") if isinstance(value, dict) else value
                yield _item(Kind.HELPER, name, _text(command), path, whole=_text(value))
            case _:
                yield _item(Kind.SETTING, name, _shown(name, value), path, whole=_text(value))


def _hooks(hooks: Mapping[str, Any], path: Path) -> Iterator[TrustItem]:
    for event, matchers in hooks.items():
        for matcher in matchers if isinstance(matchers, list) else [matchers]:
            inner = matcher.get("hooks") if isinstance(matcher, dict) else None
            named = matcher.get("matcher") if isinstance(matcher, dict) else None
            name = f"{event} {named}" if isinstance(named, str) and named else event
            for hook in inner if isinstance(inner, list) else [matcher]:
                yield _item(Kind.HOOK, name, _hook_text(hook), path, whole=_text(hook))


def _hook_text(hook: object) -> str:
    if isinstance(hook, dict):
        for field in ("command", "url", "prompt"):
            if isinstance(hook.get(field), str):
                return str(hook[field])
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


def _servers(path: Path) -> Iterator[TrustItem]:
    content, unreadable = _object(path)
    yield from unreadable
    servers = content.get("mcpServers")
    for name, given in servers.items() if isinstance(servers, dict) else ():
        yield _item(Kind.SERVER, name, _server_text(given), path, whole=_text(given))


def _server_text(given: object) -> str:
    if not isinstance(given, dict):
        return _text(given)
    args = given.get("args")
    words = [_text(given.get("command", ""))]
    words += in_arguments(map(_text, args if isinstance(args, list) else ()))
    said = [
        " ".join(words),
        in_url(_text(given.get("url", ""))),
        _text(given.get("headersHelper", "")),
    ]
    names = [name for key in ("env", "headers") for name in _names(given.get(key))]
    return "\n".join([*filter(None, said), *(f"{name}={HIDDEN}" for name in names)])


def _instructions(folder: Path) -> Iterator[TrustItem]:
    """Commands, skills and agents that run something, workflows, and prompts with a time."""
    for name in ("commands", "skills", "agents", "workflows"):
        paths, complete = _files_below(folder / name)
        for path in paths:
            yield from _instruction(path, folder)
        if not complete:
            reason = f"There are more than {MOST_FILES} files; the rest is not listed."
            yield _item(Kind.UNREADABLE, name, reason, folder / name)
    path = folder / "scheduled_tasks.json"
    content, unreadable = _object(path)
    yield from unreadable
    tasks = content.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        given = task if isinstance(task, dict) else {}
        text = _text(given.get("prompt", task))
        yield _item(Kind.SCHEDULE, _text(given.get("cron", "")), text, path, whole=_text(task))


def _instruction(path: Path, folder: Path) -> Iterator[TrustItem]:
    name = str(path.relative_to(folder))
    text, reason = _read(path)
    if text is None:
        if reason:
            yield _unreadable(name, reason, path)
    elif name.startswith("workflows/"):
        yield _item(Kind.COMMAND, name, "A workflow that Claude may run.", path, whole=text)
    elif path.suffix == ".md" and (said := [*_header_lines(text), *_shell_lines(text)]):
        yield _item(Kind.COMMAND, name, "\n".join(said), path, whole=text)


def _header_lines(text: str) -> Iterator[str]:
    """The lines of the header that name tools, hooks or servers, with what is indented below."""
    first, *lines = text.splitlines() or [""]
    if first.rstrip() != "---":
        return
    below = False
    for line in lines:
        if line.rstrip() == "---":
            return
        key = line.partition(":")[0].strip().strip("\"'").lower()
        below = key in _HEADER_KEYS or (below and line[:1] in (" ", "\t", "-", "]", "}"))
        if below:
            yield line


def _shell_lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if any(m in line for m in _SHELL_MARKS))


# files ---------------------------------------------------------------------------------------


def _files_below(folder: Path) -> tuple[list[Path], bool]:
    """The files below a folder, links followed, and whether these are all."""
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    entries = 0
    for where, folders, names in os.walk(folder, followlinks=True):
        with contextlib.suppress(OSError):
            here = Path(where).stat()
            if (here.st_dev, here.st_ino) in seen:  # a link to a folder above
                folders.clear()
                continue
            seen.add((here.st_dev, here.st_ino))
        entries += len(folders) + len(names)
        folders.sort()
        found += (Path(where, name) for name in sorted(names))
        if len(found) > MOST_FILES or entries > MOST_ENTRIES:
            return found[:MOST_FILES], False
    return found, True


def _object(path: Path) -> tuple[Mapping[str, Any], Iterable[TrustItem]]:
    """The object in a file, and the item to list where there is a file that holds none."""
    text, reason = _read(path)
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


def _read(path: Path) -> tuple[str | None, str]:
    """The text of a file; else None and the reason, which is empty where there is no such file."""
    try:
        # a pipe without a writer would block
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None, "This is not a regular file."
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, f"This file cannot be read: {error.strerror}."
    if len(content) > MOST_BYTES:
        return None, f"This file is larger than {MOST_BYTES:,} bytes."
    return content.decode("utf-8", "replace"), ""


def _unreadable(name: str, reason: str, path: Path) -> TrustItem:
    """A file whose content is not known: another size or time counts as another content."""
    with contextlib.suppress(OSError):
        now = path.stat()
        return _item(Kind.UNREADABLE, name, reason, path, whole=f"{now.st_size} {now.st_mtime_ns}")
    return _item(Kind.UNREADABLE, name, reason, path)


def _item(kind: Kind, name: str, text: str, file: Path, *, whole: str | None = None) -> TrustItem:
    identity = "\0".join((kind, name, text if whole is None else whole))
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return TrustItem(kind, name, cut, file, digest)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _shown(name: str, value: object) -> str:
    if is_secret(name, value):
        return HIDDEN
    text = _text(value)
    return in_url(text) if "://" in text else text


def _names(value: object) -> Iterable[str]:
    return map(str, value) if isinstance(value, dict) else ()
