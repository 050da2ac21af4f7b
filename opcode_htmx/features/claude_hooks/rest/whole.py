"""All hooks of a settings file at once, as programs read and write them. Pure.

HIDDEN stands in place of each secret: a value of `headers`, one of `env` that is named like a
secret, what stands in the query of an address, and what can be recognised in a command or its
arguments. When hooks are saved, HIDDEN is replaced by the secret of the same hook only, so that no
secret is sent to another address.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_url
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.claude_hooks.dangers import LONGEST
from opcode_htmx.features.claude_hooks.document import KEY, Entry, Hooks
from opcode_htmx.features.claude_hooks.errors import InvalidHooks
from opcode_htmx.features.claude_hooks.kinds import HookKind
from opcode_htmx.features.claude_hooks.values import BadField, check
from opcode_htmx.lib.coerce import Json, as_dict

_OWNERS = ("type", "url", "command", "server", "tool")
"""The keys that identify a hook."""
_SECTIONS = ("headers", "env")


def hidden(hooks: object) -> Hooks:
    """The value of `hooks` with its secrets hidden; empty if it is no object."""
    found = document.without_secrets(as_dict(hooks))
    for each in _objects(found):
        each.update(_shown_url(each))
    return found


def revealed(hooks: Hooks, content: Json) -> Hooks:
    """The hooks with the secrets of a file's content. Raises InvalidHooks."""
    found = copy.deepcopy(hooks)
    before = list(_objects(content.get(KEY)))
    for each in _objects(found):
        if not _is_hidden(each):
            continue
        number = next((n for n, old in enumerate(before) if _is_same(old, each)), None)
        if number is None:
            if not _must_be_known(each):
                continue  # asterisks of the command itself
            raise InvalidHooks(f"{HIDDEN} stands for a secret of a hook that is not in the file.")
        _fill(each, before.pop(number))
    return found


def check_new(hooks: Hooks, content: Json, kinds: Mapping[str, HookKind]) -> list[Entry]:
    """The hooks that are not in the file yet, which Claude can read. Raises InvalidHooks."""
    known = [(each.event, each.matcher, each.config) for each in document.entries(content)]
    found = [
        each
        for each in document.entries({KEY: hooks})
        if (each.event, each.matcher, each.config) not in known
    ]
    for each in found:
        try:
            _check(each, kinds)
        except BadField as error:
            raise InvalidHooks(f"{each.event[:100]}: {error}") from None
    return found


def _check(entry: Entry, kinds: Mapping[str, HookKind]) -> None:
    """Raises BadField."""
    if not entry.is_read:
        raise BadField(
            "Claude reads hooks only as "
            '[{"matcher": "…", "hooks": [{"type": "command", "command": "…"}]}].'
        )
    check_config(entry.config, kinds)
    if len(entry.matcher) > LONGEST:
        raise BadField(f"The matcher must not be longer than {LONGEST} characters.")


def check_config(config: Json, kinds: Mapping[str, HookKind]) -> None:
    """A single hook. Raises BadField."""
    kind = kinds.get(str(config.get("type")))
    if kind is None:
        raise BadField(f"Claude has no such kind of hook; it has {', '.join(kinds)}.")
    if any(isinstance(each, str) and len(each) > LONGEST for each in config.values()):
        raise BadField(f"A field must not be longer than {LONGEST} characters.")
    check(kind, config)


def _objects(value: object) -> Iterator[Json]:
    """Every object in a value, the outer ones first."""
    match value:
        case dict():
            yield value
            for inner in value.values():
                yield from _objects(inner)
        case list():
            for inner in value:
                yield from _objects(inner)
        case _:
            pass


def _shown_url(config: Json) -> Json:
    url = config.get("url")
    return {"url": in_url(url)} if isinstance(url, str) and "://" in url else {}


def _is_hidden(config: Json) -> bool:
    return any(_texts(config)) or any(_wanted(config))


def _must_be_known(config: Json) -> bool:
    """Whether HIDDEN can stand for nothing but a secret."""
    is_login = any(f"://{HIDDEN}@" in str(config[key]) for key in _texts(config))
    return is_login or HIDDEN in str(config.get("url", "")) or any(_wanted(config))


def _texts(config: Json) -> Iterator[str]:
    """The keys of texts and lists of texts in which something is hidden."""
    for key, value in config.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) and HIDDEN in each for each in texts):
            yield key


def _shown(config: Json) -> Json:
    return document.without_secrets(config) | _shown_url(config)


def _wanted(config: Json) -> Iterator[tuple[str, str]]:
    """The section and the name of each hidden value."""
    for section in _SECTIONS:
        for name, value in as_dict(config.get(section)).items():
            if value == HIDDEN:
                yield section, name


def _is_same(old: Json, new: Json) -> bool:
    if not any(key in old for key in _OWNERS):  # such as the arguments of an MCP tool
        return document.without_secrets(old) == new
    one, other = _shown(old), new | _shown_url(new)
    return all(one.get(key) == other.get(key) for key in (*_OWNERS, *_texts(new))) and all(
        name in as_dict(old.get(section)) for section, name in _wanted(new)
    )


def _fill(new: Json, old: Json) -> None:
    for section, name in list(_wanted(new)):
        new[section][name] = old[section][name]
    for key in list(_texts(new)):
        new[key] = old[key]
