"""The addresses of a remote, as git uses them: with logins, and with `insteadOf` applied."""

from __future__ import annotations

from urllib.parse import unquote

from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import settings
from opcode_htmx.lib.git.process import GitFailed


def of(git: Git, remote: str, *, pushes: bool) -> list[str]:
    """To fetch from there, or to push to all of them. Raises GitFailed.

    Under LISTING: the settings of the computer say where git goes, too.
    """
    options = ("--push",) if pushes else ()
    listing = git.under(settings.LISTING)
    try:
        output = listing.run("remote", "get-url", "--all", *options, "--", remote)
    except GitFailed as error:
        if error.status is None:
            raise
        return []
    if output.cut:
        raise GitFailed(f"The remote “{remote}” has too many addresses.")
    found = output.content.decode("utf-8", "surrogateescape").split("\n")[:-1]
    if len(found) > 1:  # several addresses, or one of several lines
        _refuse_line_breaks(listing, remote)
    return found


def _refuse_line_breaks(listing: Git, remote: str) -> None:
    """Raises GitFailed if an address has one: `get-url` separates addresses by line breaks."""
    own = {f"remote.{remote}.url", f"remote.{remote}.pushurl"}
    for each in settings.listed(listing):
        if each.key in own and "\n" in each.value:
            raise GitFailed(f"An address of the remote “{remote}” has a line break. Correct it.")


def is_folder(url: str) -> bool:
    """By git's rule: what has a colon before any slash has a protocol or a host."""
    begin, colon, _ = url.partition(":")
    return begin == "file" or not colon or "/" in begin


def path_of(url: str) -> str:
    """The path that the address of a folder names."""
    scheme, is_url, rest = url.partition("://")
    if scheme != "file" or not is_url:
        return url
    return unquote("/" + rest.partition("/")[2], errors="surrogateescape")
