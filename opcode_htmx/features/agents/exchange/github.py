"""Read agents from a folder on GitHub: its API only, over https, in a bounded size and time.

No address of a person's or a document's is ever fetched: an owner, a repository, a path and a
branch become the path of a request to one configured host.
"""

from __future__ import annotations

import http.client
import re
import ssl
from urllib.parse import SplitResult, quote, unquote, urlsplit

from opcode_htmx.features.agents.exchange import document
from opcode_htmx.features.agents.model import AgentRefused
from opcode_htmx.features.agents.serialization import MOST_BYTES
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_int, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.clones.urls import is_loopback
from opcode_htmx.lib.late.patterns import late_pattern

DEFAULT_API = "https://api.github.com"
PAGES = ("github.com", "www.github.com")
"""The hosts of addresses that a person may paste: they are read, not fetched."""
SECONDS = 15.0
MOST_LISTING = 2 * 1024 * 1024
MOST_FILES = 200
MOST_REDIRECTS = 3

_NAME = late_pattern(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_MOVED = (301, 302, 307, 308)


class NotFetched(Exception):
    """GitHub could not be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file of a repository. `ref` is a branch, tag or commit; empty: the default."""

    owner: str
    repository: str
    path: str = ""
    ref: str = ""

    @property
    def shown(self) -> str:
        inside = f"/{self.path}" if self.path else ""
        return f"{self.owner}/{self.repository}{inside}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a folder that may hold an agent."""

    name: str
    path: str
    size: int


def place_of(text: str) -> Place:
    """The place of `owner/repository[/path]`, or of an address at github.com. Raises NotFetched."""
    text = text.strip()
    ref = ""
    if "://" in text or text.startswith(PAGES):
        parts = _split(text if "://" in text else f"https://{text}")
        if parts.scheme != "https" or parts.netloc not in PAGES:
            raise NotFetched("Only folders at https://github.com can be read.")
        found = [unquote(each) for each in parts.path.split("/") if each]
        if len(found) > 3 and found[2] in ("tree", "blob"):
            ref = found[3]
            del found[2:4]
    else:
        found = [each for each in text.split("/") if each]
    if len(found) < 2:
        raise NotFetched("Name a folder as owner/repository/folder.")
    owner, repository, *inside = found
    for each in (owner, repository, *inside):
        if each in (".", "..") or not each.isprintable() or len(each) > 200:
            raise NotFetched("Name a folder as owner/repository/folder.")
    if not (_NAME.fullmatch(owner) and _NAME.fullmatch(repository)) or len(inside) > 20:
        raise NotFetched("Name a folder as owner/repository/folder.")
    return Place(owner, repository, "/".join(inside), ref)


class GitHub:
    """The contents of public repositories, from the API at `base`."""

    def __init__(self, base: str) -> None:
        self._base = urlsplit(base.rstrip("/"))

    @staticmethod
    def problem(base: str) -> str:
        """Why an address cannot be the API's; empty if it can."""
        parts = urlsplit(base)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            return "must be the address of an API"
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
            return ""
        return "must begin with https://"

    def listing(self, place: Place) -> list[Listed]:
        """The agents of a folder, by name; of a file, that one. Raises NotFetched."""
        content = self._get(place, "application/vnd.github+json", MOST_LISTING)
        try:
            found = bounded_json.loads(content, 20)
        except ValueError:
            raise NotFetched("GitHub’s answer cannot be read.") from None
        entries = found if isinstance(found, list) else [found]
        files = [
            Listed(as_str(each.get("name")), as_str(each.get("path")), _size(each))
            for each in entries
            if isinstance(each, dict) and each.get("type") == "file"
        ]
        agents = [each for each in files if each.name.endswith((document.SUFFIX, ".md"))]
        return sorted(agents[:MOST_FILES], key=lambda each: each.name.casefold())

    def content(self, place: Place) -> bytes:
        """The content of a file. Raises NotFetched and AgentRefused."""
        return self._get(place, "application/vnd.github.raw+json", MOST_BYTES)

    def _get(self, place: Place, accept: str, most: int) -> bytes:
        path = (
            f"{self._base.path}/repos/{quote(place.owner)}/{quote(place.repository)}"
            f"/contents/{quote(place.path)}"
        )
        if place.ref:
            path += f"?ref={quote(place.ref, safe='')}"
        for _ in range(MOST_REDIRECTS + 1):
            moved, content = self._answer(path, accept, most)
            if moved is None:
                return content
            path = moved
        raise NotFetched("GitHub sends from one address to the next.")

    def _answer(self, path: str, accept: str, most: int) -> tuple[str | None, bytes]:
        """The path to which a request is redirected, on the same host; else the content."""
        connection = self._connection()
        try:
            headers = {"Accept": accept, "User-Agent": "opcode-htmx", "Accept-Encoding": "identity"}
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            if response.status in _MOVED:
                return self._same_host(response.getheader("Location") or ""), b""
            _check_status(response)
            content = response.read(most + 1)
        except (OSError, http.client.HTTPException) as error:
            raise NotFetched(f"GitHub cannot be reached: {error}.") from None
        finally:
            connection.close()
        if len(content) > most:
            raise AgentRefused(f"It is larger than {most // 1024:,} KB.")
        if response.length:  # half of a document could be another one
            raise NotFetched("GitHub’s answer was cut off. Try again.")
        return None, content

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._base.hostname or "", self._base.port
        if self._base.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=SECONDS)

    def _same_host(self, location: str) -> str:
        target = _split(location)
        if target.netloc and (target.scheme, target.netloc) != (
            self._base.scheme,
            self._base.netloc,
        ):
            raise NotFetched("GitHub sends to another host, which is not followed.")
        if not target.path.startswith("/") or not location.isascii():
            raise NotFetched("GitHub’s answer cannot be read.")
        return f"{target.path}?{target.query}" if target.query else target.path


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise NotFetched("This address cannot be read.") from None


def _check_status(response: http.client.HTTPResponse) -> None:
    if response.status == 404:
        raise NotFetched("There is no such folder, or the repository is not public.")
    if response.status in (403, 429):
        raise NotFetched("GitHub has no more requests for this computer now. Try again later.")
    if response.status != 200:
        raise NotFetched(f"GitHub answered with status {response.status}.")


def _size(entry: dict[str, object]) -> int:
    return as_int(entry.get("size"))
