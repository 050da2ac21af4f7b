"""Which addresses may be cloned: no command, no option, no credentials, no file outside the roots.

git takes many texts as an address: `ext::sh -c …` runs a command, `-u…` is an option, a plain path
is any folder of this machine. An address is therefore taken apart here, and put together again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 500
_HOST = late_pattern(
    r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]", re.ASCII
)
_USER = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_SCP = late_pattern(r"(?:([^@:/]+)@)?([^@:/]+):(?!/{2})(.+)")
"""`git@host:owner/name`, as git and ssh write it."""
_PLAIN = late_pattern(r"[^A-Za-z0-9._-]+", re.ASCII)
_SCHEMES = ("https", "http", "ssh", "git")


class UrlRefused(Exception):
    """An address that is not cloned; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """An address that git may be given."""

    text: str
    """As git gets it. It holds no secret."""
    origin: str
    """`https://host` with its port, which credentials are for; empty for a file."""
    owner: str
    name: str
    """The last two parts of its path, in letters that a folder's name may have."""

    @property
    def folder_name(self) -> str:
        return f"{self.owner}__{self.name}"

    @property
    def is_file(self) -> bool:
        return not self.origin


def parse(text: str, roots: Iterable[Path]) -> RemoteUrl:
    """The address in a text that a person or a program gave. Raises UrlRefused.

    `roots` are the resolved folders below which a repository of this machine may lie.
    """
    text = text.strip()
    if not text:
        raise UrlRefused("Name a repository: owner/name, or the address that git clones.")
    if len(text) > LONGEST or not text.isprintable():
        raise UrlRefused("This cannot be the address of a repository.")
    if text.startswith("-"):
        raise UrlRefused("The address of a repository does not begin with “-”.")
    if "::" in text.partition("/")[0]:
        raise UrlRefused("Addresses that start a program of their own (such as ext::) are refused.")
    if text.startswith(("/", "~", "file:")):
        return _of_file(text, roots)
    if " " in text or "\\" in text:
        raise UrlRefused("This cannot be the address of a repository.")
    if "://" in text:
        return _of_url(_split(text))
    return _of_scp(text)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise UrlRefused("This address cannot be read.") from None
    return parts


def _of_url(parts: SplitResult) -> RemoteUrl:
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    if parts.scheme not in _SCHEMES:
        raise UrlRefused("Only addresses that begin with https, ssh or git are cloned.")
    if parts.scheme == "http" and not is_loopback(host):
        raise UrlRefused("Addresses with http are not encrypted: use https.")
    if not _HOST.fullmatch(shown):
        raise UrlRefused("This address names no host.")
    if parts.query or parts.fragment:
        raise UrlRefused("The address of a repository has neither ? nor #.")
    user = _user(parts)
    port = f":{parts.port}" if parts.port else ""
    path = _path(unquote(parts.path))
    place = f"{shown.lower()}{port}"
    address = f"{parts.scheme}://{user}{place}/{quote(path)}"
    return RemoteUrl(address, f"{parts.scheme}://{place}", *_names(path, host))


def _user(parts: SplitResult) -> str:
    """`name@` for ssh. Other schemes have none, and no address has a password."""
    if parts.username is None:
        return ""
    if parts.password is not None or parts.scheme != "ssh":
        raise UrlRefused(
            "Leave the user, the password or the token out of the address: it would be kept in "
            "files and shown to other programs. The server’s own GITHUB_TOKEN, or the login that "
            "git has on the computer, is used."
        )
    if not _USER.fullmatch(parts.username):
        raise UrlRefused("This address cannot be read.")
    return f"{parts.username}@"


def _of_scp(text: str) -> RemoteUrl:
    match = _SCP.fullmatch(text)
    if match is None:
        raise UrlRefused("Name a repository as owner/name, or by the address that git clones.")
    user, host, path = match.groups()
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)):
        raise UrlRefused("This address cannot be read.")
    path = _path(path)
    address = f"{user}@{host}:{path}" if user else f"{host}:{path}"
    return RemoteUrl(address, f"ssh://{host.lower()}", *_names(path, host))


def _path(path: str) -> str:
    parts = [each for each in path.strip("/").split("/") if each]
    if not parts or any(each in (".", "..") or each.startswith("-") for each in parts):
        raise UrlRefused("This address names no repository.")
    if not path.isprintable():
        raise UrlRefused("This address cannot be read.")
    return "/".join(parts)


def _of_file(text: str, roots: Iterable[Path]) -> RemoteUrl:
    if text.startswith("file:"):
        parts = _split(text)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise UrlRefused("This address cannot be read.")
        text = unquote(parts.path)
    try:
        path = Path(text).expanduser().resolve()
        inside = path.is_absolute() and any(path.is_relative_to(root) for root in roots)
        exists = inside and path.is_dir()
    except (OSError, RuntimeError, ValueError):
        raise UrlRefused("This folder cannot be opened.") from None
    if not inside:
        raise UrlRefused(
            f"“{path}” is outside the folders that may be worked in (OPCODE_PROJECT_ROOTS)."
        )
    if not exists:
        raise UrlRefused(f"There is no folder “{path}”.")
    # With the scheme git copies by its protocol: as a path it would link files of that repository
    return RemoteUrl(f"file://{quote(str(path))}", "", *_names(str(path), ""))


def _names(path: str, host: str) -> tuple[str, str]:
    *before, last = [each for each in path.split("/") if each]
    owner = _plain(before[-1] if before else host)
    name = _plain(last.removesuffix(".git"))
    return owner or "local", name or "repository"


def _plain(text: str) -> str:
    return _PLAIN.sub("-", text).strip(".-_")[:80]


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
