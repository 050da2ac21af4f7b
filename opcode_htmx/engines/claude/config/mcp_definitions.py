"""Check the definition of an MCP server, hide its secrets and put them back. Pure.

Every value of `env` and `headers` counts as a secret, and so do passwords in arguments and URLs.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, in_url
from opcode_htmx.lib.late.patterns import late_pattern

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
REMOTE = ("http", "sse", "ws")
"""The transports with a URL, and no process."""
_SAME = {"streamable-http": "http"}
_URL = late_pattern(r"(https?|wss?)://[^\s/]\S*|\$\{[A-Za-z_]\w*(:-[^}\s]*)?\}\S*", re.ASCII)


class InvalidServer(ValueError):
    """A definition that Claude would not accept; the text says what is wrong with it."""


def check_name(name: str) -> None:
    """Raises InvalidServer."""
    if not NAME.fullmatch(name):
        raise InvalidServer("A name has letters, digits, hyphens and underscores, at most 64.")


def transport(content: Mapping[str, Any]) -> str:
    """`stdio`, `http`, `sse`, `ws`, or whatever else stands there."""
    kind = content.get("type")
    if kind is None:
        return "stdio" if "url" not in content else "http"
    return _SAME.get(str(kind), str(kind))


def check(content: Mapping[str, Any]) -> None:
    """Raises InvalidServer where a definition has not the shape that Claude reads."""
    kind = transport(content)
    if kind == "stdio":
        command, args = content.get("command"), content.get("args", [])
        if not isinstance(command, str) or not command.strip():
            raise InvalidServer("It needs a command.")
        if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
            raise InvalidServer("The arguments must be a list of texts.")
        _check_texts(content, "env")
    elif kind in REMOTE:
        url = content.get("url")
        if not isinstance(url, str) or not _URL.fullmatch(url):
            raise InvalidServer("It needs a URL that begins with https:// or http://.")
        _check_texts(content, "headers")
    else:
        raise InvalidServer("The type must be stdio, http or sse.")


def parse(text: str, name: str) -> dict[str, dict[str, Any]]:
    """The servers in a JSON text: `{"mcpServers": …}`, servers by name, or one that is `name`.

    Raises InvalidServer.
    """
    try:
        found = json_text.parse(text)
    except InvalidJson as error:
        raise InvalidServer(str(error)) from None
    inner = found.get("mcpServers", found)
    if not isinstance(inner, dict) or not inner:
        raise InvalidServer("It holds no server.")
    if isinstance(inner.get("command"), str) or isinstance(inner.get("url"), str):
        inner = {name: inner}
    for each, content in inner.items():
        check_name(each)
        if not isinstance(content, dict):
            raise InvalidServer(f"“{each}” must be an object: {{ … }}.")
        check(content)
    return inner


def hidden(content: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without its secrets."""
    shown = copy.deepcopy(dict(content))
    for field in ("env", "headers"):
        if isinstance(shown.get(field), dict):
            shown[field] = dict.fromkeys(shown[field], HIDDEN)
    if isinstance(shown.get("args"), list):
        shown["args"] = list(in_arguments(map(str, shown["args"])))
    if isinstance(shown.get("url"), str):
        shown["url"] = in_url(shown["url"])
    return shown


def revealed(content: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with the secrets of `before` where it has HIDDEN.

    Raises InvalidServer where there is no such secret.
    """
    whole, shown = copy.deepcopy(dict(content)), hidden(before)
    for field in ("env", "headers"):
        values = whole.get(field)
        if not isinstance(values, dict):
            continue
        for name, value in values.items():
            if value == HIDDEN:
                old = before.get(field)
                if not isinstance(old, dict) or name not in old:
                    raise InvalidServer(f"{HIDDEN} stands for the value of {name}: it has none.")
                values[name] = old[name]
    if isinstance(whole.get("args"), list):
        whole["args"] = _arguments(whole["args"], shown.get("args"), before.get("args"))
    if HIDDEN in str(whole.get("url", "")):
        if whole["url"] != shown.get("url"):
            raise InvalidServer(f"Type the whole URL, with what {HIDDEN} stands for.")
        whole["url"] = before["url"]
    return whole


def digest(content: Mapping[str, Any]) -> str:
    """What identifies a definition, and says nothing about its secrets."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _arguments(typed: Sequence[Any], shown: object, before: object) -> list[Any]:
    """The arguments, with the secrets of those that stood there hidden, in their order."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(shown, list) and isinstance(before, list):
        pairs = list(zip(shown, before, strict=True))
    found = []
    for each in typed:
        if HIDDEN in str(each):
            at = next((i for i, (seen, _) in enumerate(pairs) if seen == each), None)
            if at is None:
                raise InvalidServer(f"Type the whole argument that has {HIDDEN}.")
            each = pairs.pop(at)[1]
        found.append(each)
    return found


def _check_texts(content: Mapping[str, Any], field: str) -> None:
    values = content.get(field, {})
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise InvalidServer(f"The values of {field} must be texts.")
