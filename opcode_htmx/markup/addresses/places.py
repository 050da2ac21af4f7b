"""Links in Markdown that name a file: where they lead, and what looks like the name of one.

Whether there is such a file is found out when the link is opened: looking for it here would cost
the rendering of each text a look at the disk.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import quote, unquote

from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 1000
"""Characters of a path that becomes a link."""
SAFE = "/:"
"""Characters of a path that stand in an address as they are, besides letters and digits."""

_SCHEME = late_pattern(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LINE_NUMBER = late_pattern(r"\d{1,7}(?:[-:]\d{1,7})?")
"""Behind the name of a file in the project's own folder, which then is no scheme."""
_FILE_URI = late_pattern(r"file://(?:localhost)?(?=/)", re.IGNORECASE)

_ENDINGS = (
    "bash|bat|cc|cfg|cjs|clj|cmake|conf|cpp|cs|css|csv|cts|cxx|dart|diff|erl|exs|fish|gif|go|gradle"
    "|graphql|hpp|hs|htm|html|ini|ipynb|java|jl|jpeg|jpg|js|json|json5|jsonc|jsonl|jsx|kt|kts|less"
    "|lock|log|lua|md|mdx|mjs|mk|mts|nix|patch|pdf|php|pl|png|prisma|properties|proto|ps1|py|pyi|rb"
    "|rs|rst|sass|scala|scss|sh|sql|svelte|svg|swift|tex|tf|toml|ts|tsv|tsx|txt|vim|vue|webp|xml"
    "|yaml|yml|zig|zsh"
)
_SHORT_ENDINGS = "c|d|ex|h|j2|m|ml|mm|r|env|tmpl"
"""Endings that also stand behind the dot of an expression: only in a path with a slash."""
_NAME = r"[\w@+()\[\]-][\w@.+()\[\]-]{0,200}"
_LINES = r"(?::\d{1,7}(?:[-:]\d{1,7})?|#L\d{1,7}(?:-L?\d{1,7})?)?"
_FOLDERS = r"(?:~?/|\.{1,2}/)?(?:[\w@.+()\[\]-]{1,255}/){0,30}"
_PATH = late_pattern(
    rf"{_FOLDERS}(?:{_NAME}\.(?:{_ENDINGS})|Dockerfile|Makefile|Gemfile|LICENSE){_LINES}",
    re.IGNORECASE,
)
"""A path of a file with a usual ending, and a line or a range of lines."""
_PATH_WITH_FOLDER = late_pattern(
    rf"{_FOLDERS}(?<=/){_NAME}\.(?:{_SHORT_ENDINGS}){_LINES}", re.IGNORECASE
)
_EXPRESSIONS = frozenset({"console.log", "response.json", "request.json", "res.json", "req.json"})


class Places(Protocol):
    """Says where links and images of a text lead that have no absolute address."""

    has_anchors: bool
    """Whether headings get ids, and links to them work."""

    def link(self, address: str) -> str:
        """The address of a file's page; empty if it is no link to a file."""

    def image(self, address: str) -> str:
        """The address of an image; empty if it is to be a link."""


def path_of(address: str) -> str:
    """The path that the address of a link names, unescaped; empty if it names something else."""
    address = _FILE_URI.sub("", address, count=1)
    scheme = _SCHEME.match(address)
    if scheme and not _LINE_NUMBER.fullmatch(address, scheme.end()):
        return ""
    if address.startswith(("//", "\\", "?", "#")):
        return ""
    path = unquote(address)
    is_usable = 0 < len(path) <= LONGEST and path.isprintable() and not path.startswith("//")
    return path if is_usable else ""


def looks_like_file(code: str) -> bool:
    """Whether all of a piece of code is the path of a file, by its looks."""
    if len(code) > LONGEST or code in _EXPRESSIONS:
        return False
    return bool(_PATH.fullmatch(code) or _PATH_WITH_FOLDER.fullmatch(code))


class OfSession:
    """The places of a session's text: its page leads on to the file (`?file=`).

    The address consists of a query only, so it is right wherever the page is served, and a text is
    rendered once for all of them.
    """

    has_anchors = False

    def link(self, address: str) -> str:
        path = path_of(address)
        return f"?file={quote(path, safe=SAFE)}" if path else ""

    def image(self, address: str) -> str:
        return ""


OF_SESSION = OfSession()
