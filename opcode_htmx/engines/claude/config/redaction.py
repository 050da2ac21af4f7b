"""Redact secret values, which are recognised by their names, and some by how they look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

from opcode_htmx.lib import surrogates
from opcode_htmx.lib.late.patterns import late_pattern

HIDDEN = "********"

_SECRET = late_pattern(
    r"KEY|TOKEN(?!S)|SECRET|PASSW|PASSPHRASE|_PWD|(?:^|_)PAT$|PRIVATE|CREDENTIAL|AUTH(?!OR)|COOKIE"
    r"|HEADERS|SIGNATURE",
    re.IGNORECASE,
)
_IN_TEXT = late_pattern(
    # a login in an address; in one of http or https a name alone may be a token
    r"(?<=://)[^\s/@:]{0,5000}+:[^\s/@]{1,5000}+(?=@)|(?<=[ps]://)[^\s/@]{1,5000}+(?=@)"
    # what the keys of well-known services begin with
    r"|\b(?:sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|AKIA[0-9A-Z]{16})",
    re.ASCII,
)
_ASSIGNED = late_pattern(r"([^=\s]+)=(.+)", re.DOTALL)


def is_secret(name: str, value: object) -> bool:
    """Whether a value is named like a secret, or holds one that can be recognised."""
    if not isinstance(value, str) or not value:
        return False
    return _SECRET.search(name) is not None or _IN_TEXT.search(value) is not None


def in_text(text: str) -> str:
    """A text without the logins in its addresses and the keys that can be recognised."""
    return _IN_TEXT.sub(HIDDEN, text)


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
    pairs = [(surrogates.replaced(name), HIDDEN) for name, _ in parse_qsl(parts.query)]
    query = urlencode(pairs, safe="*")
    return parts._replace(netloc=f"{HIDDEN}@{host}" if at else host, query=query).geturl()
