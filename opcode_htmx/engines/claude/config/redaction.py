"""Redact secret values, which are recognised by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

HIDDEN = "********"

_SECRET = re.compile(
    r"KEY|TOKEN(?!S)|SECRET|PASSW|CREDENTIAL|AUTH(?!OR)|COOKIE|HEADERS|SIGNATURE", re.IGNORECASE
)
_ASSIGNED = re.compile(r"([^=\s]+)=(.+)", re.DOTALL)


def is_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and value != "" and _SECRET.search(name) is not None


def in_arguments(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments of a command; `--token x`, `--token=x` and `-e TOKEN=x` without the x."""
    before = ""
    for argument in arguments:
        assigned = _ASSIGNED.fullmatch(argument)
        if assigned and is_secret(assigned[1], assigned[2]):
            yield f"{assigned[1]}={HIDDEN}"
        elif before.startswith("-") and "=" not in before and is_secret(before, argument):
            yield HIDDEN
        else:
            yield in_url(argument) if "://" in argument else argument
        before = argument


def in_url(url: str) -> str:
    """A URL without its password and without the values in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([(name, HIDDEN) for name, _ in parse_qsl(parts.query)], safe="*")
    return parts._replace(netloc=f"{HIDDEN}@{host}" if at else host, query=query).geturl()
