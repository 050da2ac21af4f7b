"""What a marketplace may be added from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from opcode_htmx.features.claude_plugins.cli import NAME
from opcode_htmx.features.claude_plugins.errors import InvalidPlugin

_LONGEST_SOURCE = 500


def checked_source(text: str) -> str:
    """The source of a marketplace: a folder, a git URL, or owner/repo. Raises InvalidPlugin."""
    source = text.strip()
    if not source or len(source) > _LONGEST_SOURCE or not source.isprintable():
        raise InvalidPlugin("Give a folder, the address of a git repository, or owner/repository.")
    if source.startswith("-"):
        raise InvalidPlugin("A source does not begin with a dash.")
    if "://" in source:
        try:
            parts = urlsplit(source)
        except ValueError:
            raise InvalidPlugin("This address cannot be read.") from None
        if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
            raise InvalidPlugin("An address begins with https:// or ssh://.")
        if parts.password or (parts.username and parts.scheme in ("https", "http")):
            raise InvalidPlugin(
                "An address with a password or token would be visible to others on the computer. "
                "Log in to git there, and give the address without it."
            )
        return source
    if source.startswith("~/"):
        return str(Path(source).expanduser())
    owner, slash, repository = source.partition("#")[0].partition("/")
    is_repository = slash and NAME.fullmatch(owner) and NAME.fullmatch(repository)
    is_ssh = source.startswith("git@") and ":" in source
    if source.startswith("/") or is_repository or is_ssh:
        return source
    raise InvalidPlugin("Give a whole path, the address of a git repository, or owner/repository.")
