"""Take secrets out of what is logged: those that are known, and what looks like one.

A second line of defence: nobody logs a secret on purpose, but a library may quote an address, and
an error what it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opcode_htmx.lib.late.patterns import late_pattern

HIDDEN = "[hidden]"
SHORTEST = 6
"""Characters of a known secret; a shorter one would hide parts of ordinary words."""

_LOOKS_SECRET = (
    (
        late_pattern(
            r"\b(sk-ant-|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|AKIA|AGE-SECRET-KEY-)"
            r"[A-Za-z0-9_-]{8,}"
        ),
        r"\1",
    ),
    # the pass of a preview, in the path of a request that has failed
    (late_pattern(r"(/preview/[0-9]{1,5}/)[A-Za-z0-9_-]{32}"), r"\1"),
    (
        late_pattern(
            r"\b((?:authorization[\"']?[:=] ?[\"']?basic|bearer) )[A-Za-z0-9+/=._~-]{8,}",
            re.IGNORECASE,
        ),
        r"\1",
    ),
    (late_pattern(r"(://)[^\s/@:]{0,5000}+:[^\s/@]{1,5000}+(?=@)"), r"\1"),
    # the name alone may be a token there
    (late_pattern(r"(https?://)[^\s/@]{1,5000}+(?=@)"), r"\1"),
    (
        late_pattern(
            r"((?:api[_-]?key|access[_-]?key|token|passw(?:or)?d|passphrase|secret)"
            r"[\"']?[=:] ?[\"']?)[^\s\"',;&]{6,}",
            re.IGNORECASE,
        ),
        r"\1",
    ),
    # pydantic quotes what it was given
    (late_pattern(r"(\binput_value=)[^\n]+"), r"\1"),
)
_INVALID = "Invalid request from"
_QUERY = late_pattern(r"\?[^\s\"']+")

_known: dict[str, None] = {}


def hide(secrets: Iterable[str]) -> None:
    """Keep these texts out of every line from now on."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            _known[secret] = None
            _known[repr(secret)[1:-1]] = None


def redacted(text: str, private: Iterable[str] = ()) -> str:
    """The text without secrets, and without the `private` texts."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    for each in private:
        for form in (each, repr(each)[1:-1]):
            if len(form) >= SHORTEST and form in text:
                text = text.replace(form, HIDDEN)
    for pattern, kept in _LOOKS_SECRET:
        text = pattern.sub(kept + HIDDEN, text)
    return text


def of_gunicorn(text: str) -> str:
    """A message of gunicorn's without what a client has sent: queries, and broken lines."""
    if text.startswith(_INVALID):
        kept, quote, _ = text.replace('"', "'").partition("'")
        text = f"{kept}{HIDDEN}" if quote else text
    return _QUERY.sub("?…", text)
