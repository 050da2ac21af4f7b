"""The file with the settings of the service, in the syntax of systemd's EnvironmentFile.

One variable a line, `NAME="value"`. A person may edit it; quotes may be missing or single.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_SINGLE = re.compile(r"'([^']*)'")
_PLAIN = re.compile(r"[^\"'\\]*")
_HEAD = "# Settings of the opcode-htmx service. Some may be secret: keep this file to yourself."
_SPECIAL = re.compile(r'["\\$`]')
_ESCAPED = re.compile(r'\\(["\\$`])')
"""What systemd takes for escaped in double quotes; any other backslash stands for itself."""


class BadEnvironment(Exception):
    """A file or a value that cannot be used; the message is one sentence."""


def text_of(variables: Mapping[str, str]) -> str:
    """The content of a file with these variables. Raises BadEnvironment."""
    return "\n".join((_HEAD, *_lines(variables), ""))


def _lines(variables: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(variables.items()):
        if not _NAME.fullmatch(name) or not value.isprintable():
            raise BadEnvironment(f"{name} holds characters that the settings of a service cannot.")
        escaped = _SPECIAL.sub(r"\\\g<0>", value)
        yield f'{name}="{escaped}"'


def read(path: Path) -> dict[str, str]:
    """The variables of a file; none if there is no file. Raises BadEnvironment."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironment(f"{path} cannot be read ({error}).") from None
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        name, equals, value = line.partition("=")
        parsed = _value(value.strip())
        if not equals or parsed is None or not _NAME.fullmatch(name.strip()):
            raise BadEnvironment(f'Line {number} of {path} is not of the form NAME="value".')
        found[name.strip()] = parsed
    return found


def _value(text: str) -> str | None:
    if double := _DOUBLE.fullmatch(text):
        return _ESCAPED.sub(r"\1", double[1])
    if single := _SINGLE.fullmatch(text):
        return single[1]
    return text if _PLAIN.fullmatch(text) else None
