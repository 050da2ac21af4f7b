"""The hooks in the content of a settings file: find them, and add, replace or remove one. Pure.

Claude reads `{"hooks": {EVENT: [{"matcher": …, "hooks": [HOOK, …]}, …]}}` for every event, those
without a matcher included. What stands there in another shape is found, too: Claude skips it
without a word.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from opcode_htmx.engines.claude.config import json_text, secrets
from opcode_htmx.features.claude_hooks.errors import HookGone
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

Hooks = dict[str, Any]
"""The value of `hooks`."""
KEY = "hooks"


@dataclass(frozen=True, slots=True)
class Entry:
    """A hook where it stands. `config` is its own object with all its keys.

    `is_read` says whether it has the shape that Claude reads.
    """

    event: str
    matcher: str
    config: Json
    is_read: bool
    group: int = 0
    index: int = 0
    """Its position in the group, and that of the group in the event's list."""

    @property
    def id(self) -> str:
        """Identifies it by its content, without the values that are secret."""
        shown = json.dumps([self.event, self.matcher, without_secrets(self.config)], sort_keys=True)
        return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def can_be_mended(self) -> bool:
        """Whether it is a hook that stands in the event's list itself."""
        return not self.is_read and isinstance(self.config.get("type"), str)


def without_secrets(config: Json) -> Json:
    """The object of a hook with its secrets hidden."""
    found: Json = json.loads(secrets.hidden(json.dumps(config)))
    return found


def entries(content: Json) -> Iterator[Entry]:
    """The hooks in a settings file, in its order."""
    hooks = content.get(KEY)
    for event, groups in hooks.items() if isinstance(hooks, dict) else ():
        if not isinstance(groups, list):
            yield Entry(event, "", _object(groups), is_read=False, group=-1)
            continue
        for number, group in enumerate(groups):
            yield from _of_group(event, group, number)


def _of_group(event: str, group: object, number: int) -> Iterator[Entry]:
    match group:
        case {"hooks": list(inner), **rest} if isinstance(matcher := rest.get("matcher", ""), str):
            for index, config in enumerate(inner):
                is_hook = isinstance(config, dict) and isinstance(config.get("type"), str)
                yield Entry(event, matcher, _object(config), is_hook, number, index)
        case {"matcher": str(matcher)}:
            yield Entry(event, matcher, _object(group), is_read=False, group=number, index=-1)
        case _:
            yield Entry(event, "", _object(group), is_read=False, group=number, index=-1)


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {"value": value}


def found(content: Json, event: str, entry_id: str) -> Entry:
    """The hook with this content, wherever it stands. Raises HookGone."""
    for entry in entries(content):
        if entry.event == event and entry.id == entry_id:
            return entry
    raise HookGone("This hook is not in the file any more.")


def added(content: Json, event: str, matcher: str, config: Json) -> Hooks:
    """The hooks with one more, beside those with the same matcher."""
    hooks = _copied(content)
    groups = hooks.setdefault(event, [])
    if not isinstance(groups, list):
        groups = hooks[event] = [groups]
    for group in groups:
        same = isinstance(group, dict) and group.get("matcher", "") == matcher
        if same and isinstance(group.get("hooks"), list):
            group["hooks"].append(config)
            return hooks
    groups.append(_group(matcher, config))
    return hooks


def replaced(content: Json, entry: Entry, event: str, matcher: str, config: Json) -> Hooks:
    """The hooks with another one in the place of `entry`, or where its event and matcher belong."""
    if not entry.is_read or event != entry.event:
        return added({KEY: removed(content, entry)}, event, matcher, config)
    hooks = _copied(content)
    group = hooks[event][entry.group]
    if matcher == entry.matcher:
        group["hooks"][entry.index] = config
    elif len(group["hooks"]) == 1:
        group["hooks"][0] = config
        if matcher:
            hooks[event][entry.group] = {"matcher": "", **group} | {"matcher": matcher}
        else:
            group.pop("matcher", None)
    else:
        del group["hooks"][entry.index]
        hooks[event].insert(entry.group + 1, _group(matcher, config))
    return hooks


def removed(content: Json, entry: Entry) -> Hooks:
    """The hooks without one, and without what is left empty by that."""
    hooks = _copied(content)
    groups = hooks[entry.event]
    if entry.group < 0:
        del hooks[entry.event]
        return hooks
    if entry.index < 0:
        del groups[entry.group]
    else:
        inner = groups[entry.group]["hooks"]
        del inner[entry.index]
        if not inner:
            del groups[entry.group]
    if not groups:
        del hooks[entry.event]
    return hooks


def mended(content: Json, entry: Entry) -> Hooks:
    """The hooks with one in the shape that Claude reads."""
    config = {key: value for key, value in entry.config.items() if key != "matcher"}
    hooks = _copied(content)
    hooks[entry.event][entry.group] = _group(entry.matcher, config)
    return hooks


def text_with(text: str, hooks: Hooks) -> str:
    """The text of a settings file with other hooks. Raises InvalidJson."""
    if hooks:
        return json_text.with_value(text, (KEY,), hooks)
    return json_text.without(text, (KEY,))


def _copied(content: Json) -> Hooks:
    hooks = content.get(KEY)
    return copy.deepcopy(hooks) if isinstance(hooks, dict) else {}


def _group(matcher: str, config: Json) -> Json:
    return {**({"matcher": matcher} if matcher else {}), "hooks": [config]}
