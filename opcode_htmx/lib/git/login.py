"""A login for a remote over HTTP, and how git gets it: by a pipe that a credential helper reads.

It is in no argument, variable, file or setting. The helper is configured for exactly one scheme,
host and port, so git asks nobody else for it, and a redirect elsewhere finds none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import urlsplit

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.process import SECRET_DESCRIPTOR, GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

MOST_USER, MOST_PASSWORD = 255, 4096
"""Characters: tokens may have a thousand."""
LEAST_TOKEN = 20
"""Characters from which on a user name may be a token, which some hosts take in its place."""
_READ = f"IFS= read -r %s <&{SECRET_DESCRIPTOR}"
_HELPER = (
    f'!f() {{ test "$1" = get && {_READ % "user"} && {_READ % "word"} '
    '&& printf \'username=%s\\npassword=%s\\n\' "$user" "$word"; }; f'
)
"""A function of a shell; reading and printing are no programs, so nothing is in an argument."""
_ASKED = late_pattern(r"(?:could not read (?:Username|Password)|Authentication failed) for '(\S+)'")
_FORBIDDEN = late_pattern(r"unable to access '(\S+)': The requested URL returned error: 403")
_REJECTED = late_pattern(rb"^!\t[^\t\n]*\t\[(?:remote )?rejected\] ", re.MULTILINE)
_HOST = late_pattern(r"[\w-]+(?:\.[\w-]+)*+\.?|[0-9a-f.]*:[0-9a-f:.]+")
"""Anything else would have a meaning in a setting's name: `=` ends it, and `*` is any host."""
_HARMLESS = frozenset(
    {"postbuffer", "lowspeedlimit", "lowspeedtime", "version", "maxrequests", "minsessions"}
    | {"maxrequestbuffer", "uploadpack", "receivepack"}
)
"""Settings of `http.` that do not change where a login goes, and who can read it."""


class InvalidLogin(Exception):
    """A user name or password cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login for one `origin`, such as `https://github.com`."""

    origin: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def typed(cls, origin: str, user: str, password: str) -> Login:
        """The login that a person has typed. Raises InvalidLogin."""
        if not origin:
            raise InvalidLogin("A user name and a password are for addresses of http and https.")
        if not user or not password:
            raise InvalidLogin("Type a user name, and a password or token.")
        if len(user) > MOST_USER or len(password) > MOST_PASSWORD:
            raise InvalidLogin("The user name or the password is too long.")
        if not (user + password).isprintable():
            raise InvalidLogin("The user name or the password has a character that cannot be sent.")
        return cls(origin, user, password)

    @property
    def settings(self) -> Mapping[str, str]:
        """Configuration of git. The first resets the list of helpers: no other one gets it."""
        return {
            "credential.helper": "",
            f"credential.{self.origin}.helper": _HELPER,
            "http.followRedirects": "initial",
        }

    @property
    def secret(self) -> bytes:
        """What the helper reads, again each time git asks."""
        return f"{self.user}\n{self.password}\n".encode()

    def without(self, text: str) -> str:
        """A text of git's or of the remote's without the password, or a token as user name."""
        for secret in (self.password, self.user if len(self.user) >= LEAST_TOKEN else ""):
            text = text.replace(secret, "…") if secret else text
        return text


@dataclass(frozen=True, slots=True)
class Typed:
    """A login that a person has typed."""

    login: Login
    keeps: bool = False
    """Whether it may be kept until the server ends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A login that a remote asks for; `user` is the one that its address names, if it does."""

    origin: str
    user: str = ""


def wanted(errors: str) -> Wanted | None:
    """The login that git lacked, or that was refused, by its messages in the C locale."""
    found = _ASKED.search(errors) or _FORBIDDEN.search(errors)
    origin = origin_of(found[1]) if found else ""
    return Wanted(origin, user_of(found[1])) if found and origin else None


def is_forbidden(errors: str) -> bool:
    """Whether a remote knows the login and does not let it do that."""
    return _FORBIDDEN.search(errors) is not None


def refusal(origin: str, errors: str) -> str:
    """The sentence for a login that a remote has refused, by the messages of git."""
    if is_forbidden(errors):
        return f"{origin} does not let this login do that. Another one may."
    return f"{origin} did not accept this user name and password."


def was_accepted(error: GitFailed) -> bool:
    """Whether a push failed behind the login: git says so of a branch, with --porcelain."""
    return wanted(error.errors) is None and _REJECTED.search(error.output) is not None


def origin_of(url: str) -> str:
    """`https://host`, with its port if it names one.

    Empty for what is no address of HTTP, or has an invalid host name.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(name):
        return ""
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def user_of(url: str) -> str:
    """The user that an address names; empty for none."""
    try:
        return urlsplit(url).username or ""
    except ValueError:
        return ""


def decides_where(key: str) -> bool:
    """Whether a setting, as git lists it, affects who can read a login that is sent over HTTP."""
    section, _, rest = key.partition(".")
    last = rest.rpartition(".")[2]
    if section == "http":
        return last not in _HARMLESS
    return section == "remote" and last in ("proxy", "proxyauthmethod", "vcs")
