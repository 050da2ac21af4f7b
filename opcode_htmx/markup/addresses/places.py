"""Links in Markdown that name a file: where they lead, and what looks like the name of one.

Whether there is such a file is found out when the link is opened: looking for it here would cost
the rendering of each text a look at the disk.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import quote, unquote

LONGEST = 1000
"""Characters of a path that becomes a link."""
SAFE = "/:"
"""Characters of a path that stand in an address as they are, besides letters and digits."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LINE_NUMBER = re.compile(r"\d{1,7}(?:[-:]\d{1,7})?")
"""Behind the name of a file in the project's own folder, which then is no scheme."""
_FILE_URI = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)

_ENDINGS = (
    "astro|bash|bat|c|cc|cfg|clj|cmake|conf|cpp|cs|css|csv|cts|cxx|dart|diff|env|erl|ex|exs|fish|go"
    "|gradle|graphql|h|hpp|hs|htm|html|ini|ipynb|java|jl|js|json|json5|jsonc|jsonl|jsx|kt|kts|less"
    "|lock|log|lua|m|md|mdx|mjs|mk|ml|mm|mts|nix|patch|pdf|php|pl|png|prisma|properties|proto|ps1|py"
    "|pyi|r|rb|rs|rst|sass|scala|scss|sh|sql|svelte|svg|swift|tf|toml|ts|tsv|tsx|txt|vue|webp|xml"
    "|yaml|yml|zig|zsh|jpg|jpeg|gif|rake|sbt|tex|vim|wasm|zip|pth|tmpl|j2|cjs"
)
_LINES = r"(?::\d{1,7}(?:[-:]\d{1,7})?|#L\d{1,7}(?:-L?\d{1,7})?)?"
_PATH = re.compile(
    rf"(?:~?/|\.{{1,2}}/)?(?:[\w@.+()\[\]-]{{1,255}}/){{0,30}}"
    rf"(?:[\w@+()\[\]-][\w@.+()\[\]-]{{0,200}}\.(?:{_ENDINGS})|Dockerfile|Makefile|Gemfile|LICENSE){_LINES}",
    re.IGNORECASE,
)
"""A path of a file with a usual ending, and a line or a range of lines."""


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
    return len(code) <= LONGEST and _PATH.fullmatch(code) is not None


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
