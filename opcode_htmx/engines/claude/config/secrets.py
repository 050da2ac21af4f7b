"""Hide the secrets in the text of one of Claude's JSON files, and put them back when it is saved.

Secrets are, wherever they stand (in settings, MCP servers and hooks): all values of `headers`;
values of `env` that are named or look like one, and all of an MCP server; those in arguments and
addresses; and values such as `clientSecret`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson, Path, StringSpan
from opcode_htmx.engines.claude.config.redaction import (
    HIDDEN,
    in_arguments,
    in_text,
    in_url,
    is_secret,
)
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern

LONG = 20_000
"""Characters that are looked through within some 10 ms."""
_NAMED = late_pattern(
    r"(?:api_?key|secret(?:_?key)?|access_?key|(?:access|auth|refresh|bearer|id)_?token|password"
    r"|passphrase)$",
    re.IGNORECASE,
)
_STRING = r'"(?:[^"\\\n]|\\.)*+"?'
_VALUE = rf"(?:{_STRING}|'[^'\n]*+'?|[^\s\"',:{{}}\[\]]++)"
_PAIR = late_pattern(rf'"([^"\n]{{1,200}})"([ \t]{{0,100}}:[ \t]{{0,100}})({_VALUE})', re.DOTALL)
"""A name and its value in a text that cannot be parsed; the last quotation mark may be missing."""
_SECTION = late_pattern(r'"(?:env|headers)"[ \t\r\n]{0,100}:[ \t\r\n]{0,100}\{')
"""The beginning of an `env` or `headers` object in such a text."""
_IN_SECTION = late_pattern(rf'[^"{{}}]++|{_STRING}', re.DOTALL)


class SecretMissing(Exception):
    """HIDDEN stands where there is no secret yet; the text names the place."""


def hidden(text: str) -> str:
    """The text with HIDDEN in place of each secret, or of the part of a value that is one.

    In a text that is no valid JSON, every value of `env` and `headers` is hidden. Other greenlets
    run while a long text is looked through.
    """
    return _hidden(text) if len(text) < LONG else run_cpu_in_thread(_hidden, text)


def _hidden(text: str) -> str:
    try:
        json_text.parse(text)
    except InvalidJson:
        return in_text(_PAIR.sub(_hidden_pair, "".join(_with_hidden_sections(text))))
    secrets = [(span, shown) for span, shown in _shown(text) if shown != span.value]
    return json_text.replaced(text, secrets)


def _with_hidden_sections(text: str) -> Iterator[str]:
    """The parts of a text that is no valid JSON, with every value of `env` and `headers` hidden."""
    done = 0
    for begin in _SECTION.finditer(text):
        if begin.start() < done:  # within a string of the section before
            continue
        yield text[done : begin.start()]
        done = begin.end()
        while part := _IN_SECTION.match(text, done):
            done = part.end()
        yield _PAIR.sub(_hide, text[begin.start() : done])
    yield text[done:]


def revealed(text: str, before: str) -> str:
    """The text with the secrets of `before` where it has what is shown of them.

    Raises SecretMissing, and InvalidJson where the text is no valid JSON and HIDDEN is used.
    """
    if HIDDEN not in text:
        return text
    if max(len(text), len(before)) < LONG:
        return _revealed(text, before)
    return run_cpu_in_thread(_revealed, text, before)


def _revealed(text: str, before: str) -> str:
    json_text.parse(text)
    known = _Known(before)
    found: list[tuple[StringSpan, str]] = []
    for span in json_text.strings(text):
        if HIDDEN not in span.value:
            continue
        value = known.secret(span)
        if value is not None:
            found.append((span, value))
        elif _may_be_secret(span.path) or known.has_secret(span.path):
            name = ".".join(map(str, span.path))
            raise SecretMissing(
                f"{HIDDEN} stands for the value of {name}: there is none yet."
                if span.value == HIDDEN
                else f"Type the whole value of {name}, with what {HIDDEN} stands for."
            )
    return json_text.replaced(text, found)


def hidden_in(name: str, value: object) -> Any:
    """The value of a key without its secrets."""
    return json.loads(hidden(json.dumps({name: value})))[name]


def revealed_in(name: str, value: object, before: object) -> Any:
    """The value of a key with the secrets of `before` where it has what is shown of them.

    Raises SecretMissing.
    """
    return json.loads(revealed(json.dumps({name: value}), json.dumps({name: before})))[name]


class _Known:
    """The secrets of a text, by their places; by their names where it is no valid JSON."""

    def __init__(self, text: str) -> None:
        self._of_path: dict[Path, StringSpan] = {}
        self._shown: dict[Path, str] = {}
        self._of_name: dict[str, set[str]] = {}
        try:
            json_text.parse(text)
        except InvalidJson:
            for name, _, value in _PAIR.findall(text):
                with contextlib.suppress(ValueError):
                    if isinstance(whole := json.loads(value), str):
                        self._of_name.setdefault(name, set()).add(whole)
            return
        for span, shown in _shown(text):
            if shown != span.value:
                self._of_path[span.path] = span
                self._shown[span.path] = shown

    def has_secret(self, path: Path) -> bool:
        return path in self._of_path

    def secret(self, typed: StringSpan) -> str | None:
        """The value that a typed one stands for; an argument may have moved in its list."""
        if self._of_name:
            values = self._of_name.get(str(typed.path[-1]), set())
            return next(iter(values)) if len(values) == 1 and typed.value == HIDDEN else None
        places = [typed.path]
        if isinstance(typed.path[-1], int):
            places += (path for path in self._of_path if path[:-1] == typed.path[:-1])
        for path in places:
            if self._shown.get(path) == typed.value:
                return self._of_path[path].value
        return None


def _shown(text: str) -> Iterator[tuple[StringSpan, str]]:
    """The string values of a valid text, with what is shown of each."""
    before, holder = "", Path()
    for span in json_text.strings(text):
        if span.path[:-1] != holder:
            before, holder = "", span.path[:-1]
        yield span, _shown_of(span, before)
        before = span.value


def _shown_of(span: StringSpan, before: str) -> str:
    """What is shown of a value; `before` is the one in front of it in its list."""
    path, value = span.path, span.value
    if not value or not path:
        return value
    above, name = path[:-1], str(path[-1])
    if "headers" in above:
        return HIDDEN
    if "env" in above:
        variable = str(path[path.index("env") + 1])
        return HIDDEN if "mcpServers" in above or is_secret(variable, value) else value
    if _NAMED.search(name):
        return HIDDEN
    if above[-1:] == ("args",):
        value = list(in_arguments([before, value]))[-1]
    elif name == "url":
        shown = in_url(value)
        value = shown if HIDDEN in shown else value
    return in_text(value)


def _may_be_secret(path: Path) -> bool:
    places = {"env", "headers", "args"}
    return not places.isdisjoint(path[:-1]) or path[-1:] == ("url",)


def _hide(match: re.Match[str]) -> str:
    return f'"{match[1]}"{match[2]}"{HIDDEN}"'


def _hidden_pair(match: re.Match[str]) -> str:
    name, value = match[1], match[3].strip("\"'")
    is_hidden = is_secret(name, value) or "\\u" in name
    return _hide(match) if is_hidden else match[0]
