"""Hide the secrets in the text of one of Claude's JSON files, and put them back when it is saved.

Secrets are values of `env` that are named like one, and all values of `headers`, wherever they
stand: in settings, MCP servers and hooks.
"""

from __future__ import annotations

import re

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson, StringSpan
from opcode_htmx.engines.claude.config.redaction import HIDDEN, is_secret

_PAIR = re.compile(r'"([^"\\\n]{1,200})"([ \t]{0,100}:[ \t]{0,100})"((?:[^"\\\n]|\\.){1,10000})"')


_HIDE = rf'"\1"\2"{HIDDEN}"'
_SECTION = re.compile(r'"(?:env|headers)"[ \t\r\n]{0,100}:[ \t\r\n]{0,100}\{[^{}]{0,100000}')
"""The values of an `env` or `headers` object in a text that cannot be parsed."""


class SecretMissing(Exception):
    """HIDDEN stands where there is no secret yet; the text names the place."""


def hidden(text: str) -> str:
    """The text with HIDDEN in place of each secret.

    In a text that is no valid JSON, every value of `env` and `headers` is hidden.
    """
    try:
        json_text.parse(text)
    except InvalidJson:
        text = _SECTION.sub(lambda match: _PAIR.sub(_HIDE, match[0]), text)
        return _PAIR.sub(_hidden_pair, text)
    secrets = [(span, HIDDEN) for span in json_text.strings(text) if _is_secret(span)]
    return json_text.replaced(text, secrets)


def revealed(text: str, before: str) -> str:
    """The text with the secrets of `before` where it has HIDDEN.

    Raises SecretMissing, and InvalidJson where one of them is no valid JSON and HIDDEN is used.
    """
    if HIDDEN not in text:
        return text
    json_text.parse(text)
    old = json_text.parse(before)
    found: list[tuple[StringSpan, str]] = []
    for span in json_text.strings(text):
        if span.value == HIDDEN and _may_be_secret(span):
            value = json_text.value_at(old, span.path)
            if not isinstance(value, str):
                name = ".".join(map(str, span.path))
                raise SecretMissing(f"{HIDDEN} stands for the value of {name}: there is none yet.")
            found.append((span, value))
    return json_text.replaced(text, found)


def _may_be_secret(span: StringSpan) -> bool:
    return len(span.path) > 1 and span.path[-2] in ("env", "headers")


def _is_secret(span: StringSpan) -> bool:
    if not _may_be_secret(span) or not span.value:
        return False
    return span.path[-2] == "headers" or is_secret(str(span.path[-1]), span.value)


def _hidden_pair(match: re.Match[str]) -> str:
    name, between, value = match.groups()
    return f'"{name}"{between}"{HIDDEN if is_secret(name, value) else value}"'
