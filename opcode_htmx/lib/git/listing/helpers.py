"""The credential helpers that git would ask for the addresses of a remote, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Program
from opcode_htmx.lib.git.listing.settings import LISTING, Setting, listed
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

KIND = "credential helper"
_MATCH = "opcodematch"
"""A section of settings that is nobody's."""
_BROKEN = late_pattern(r"%(?![0-9A-Fa-f]{2})")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def of(git: Git, settings: Sequence[Setting], urls: Sequence[str]) -> Iterator[Program]:
    """Those for any of the addresses. Raises GitFailed."""
    helpers = [each for each in settings if _is_helper(each)]
    asked = _asked(git, settings, urls) if helpers else []
    for url in asked:
        matched, found = _matched(git, helpers, url), list[Setting]()
        for each in helpers:
            if each.parts[1] in matched:
                found = [*found, each] if each.value else []  # an empty one resets the list
        for each in found:
            name = each.parts[1] or "for any address"
            yield Program(KIND, name, each.value, each.of_repository)


def silenced(git: Git, urls: Sequence[str]) -> Mapping[str, str]:
    """Settings under which no other helper is asked, wherever a server redirects to.

    Raises GitFailed.
    """
    settings = list(listed(git.under(LISTING)))
    helpers = [each for each in settings if _is_helper(each) and each.parts[1]]
    if not helpers:
        return {}
    matched = set[str]()
    for url in _asked(git, settings, urls):
        matched |= _matched(git, helpers, url)
    others = {each.parts[1] for each in helpers} - matched
    return {f"credential.{name}.helper": "" for name in others}


def _is_helper(setting: Setting) -> bool:
    section, _, last = setting.parts
    return section == "credential" and last == "helper"


def _asked(git: Git, settings: Iterable[Setting], urls: Sequence[str]) -> list[str]:
    """The addresses for which git may ask for a login: those of HTTP, and of proxies with users."""
    over_http = [each for each in map(_given, urls) if _split(each)[0] in ("http", "https")]
    if not over_http:
        return []
    proxies = [each.value for each in settings if each.parts[2] == "proxy"]
    proxies += [value for name, value in git.environment.items() if name.lower() in _PROXIES]
    return over_http + [
        each if "://" in each else f"http://{each}" for each in proxies if "@" in each
    ]


def _given(url: str) -> str:
    """What git's program for HTTP is given: that program can be named before, as in `https::`."""
    program, is_named, rest = url.partition("::")
    return rest if is_named and program in ("http", "https") else url


def _matched(git: Git, helpers: Iterable[Setting], url: str) -> set[str]:
    """The patterns of helpers that are for an address: "" is for any. Raises GitFailed."""
    found, whole = {""}, list[str]()
    for pattern in dict.fromkeys(each.parts[1] for each in helpers):
        if _is_unclear(pattern):
            found.add(pattern)
        elif not _is_whole(pattern):
            found |= {pattern} if _matches_in_part(pattern, url) else set()
        else:
            whole.append(pattern)
    if not whole:
        return found
    # git itself compares them, by a setting of ours for each
    keys = {f"{_MATCH}.{pattern}.m{number}": "1" for number, pattern in enumerate(whole)}
    try:
        output = git.under(LISTING).run(
            "config", "-z", "--get-urlmatch", _MATCH, url, settings=keys
        )
    except GitFailed as error:
        if error.status == 1:  # none matches
            return found
        if error.status == 128:  # it takes no such address: it asks some of them all the same
            return found.union(whole)
        raise
    for name in output.content.decode("ascii", "replace").split("\0")[:-1]:
        found.add(whole[int(name.rpartition(".m")[2].partition("\n")[0])])
    return found


def _is_unclear(pattern: str) -> bool:
    """Whether it may be for more than addresses of HTTP, or cannot be in an argument.

    Or git decodes it: it takes `exam%70le.com` in a pattern for `example.com`.
    """
    is_decoded = "%" in _split(pattern)[1] or bool(_BROKEN.search(pattern))
    return is_decoded or pattern.startswith("cert:") or "=" in pattern or "\n" in pattern


def _is_whole(pattern: str) -> bool:
    return all(_split(pattern))


def _matches_in_part(pattern: str, url: str) -> bool:
    """For a pattern without a scheme or a host, by these two: it may be for other paths."""
    scheme, host = _split(pattern)
    asked_scheme, asked_host = _split(url)
    return scheme in ("", asked_scheme) and host in ("", unquote(asked_host).lower())


def _split(url: str) -> tuple[str, str]:
    """Scheme, and host with port, in lower case, each empty if missing; of any text at all."""
    scheme, has_scheme, rest = url.partition("://")
    if not has_scheme:
        scheme, rest = "", url
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    return scheme.lower(), rest.rpartition("@")[2].lower()
