"""The repositories of the person on GitHub, listed through its API.

The library is loaded at the first use, in a thread: that takes most of a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from opcode_htmx.lib.coerce import as_str
from opcode_htmx.lib.concurrency.background import Background
from opcode_htmx.lib.dataclass import dataclass

PAGE = 100
MOST_PAGES = 20
SECONDS = 20
"""For one answer."""
ALL_SECONDS = 60.0
_AFFILIATION = "owner,collaborator,organization_member"


_REFUSALS = {
    401: "GitHub does not accept the token. Make a new one, and put it into GITHUB_TOKEN.",
    404: "GitHub knows no user of the name in GITHUB_USER.",
}


class GitHubFailed(Exception):
    """GitHub did not give the list; the text says why."""


class NoAccount(Exception):
    """No account is set whose repositories could be listed; the text says so."""


@dataclass(frozen=True, slots=True)
class GitHubRepository:
    """A repository as GitHub lists it. `pushed_at` is a Unix time; `size` is in bytes."""

    full_name: str
    """`owner/name`"""
    description: str
    is_private: bool
    is_fork: bool
    is_archived: bool
    pushed_at: float
    size: int


@dataclass(frozen=True, slots=True)
class GitHubList:
    """What GitHub has listed, the last pushed first; `is_cut`: there are more."""

    repositories: tuple[GitHubRepository, ...]
    is_cut: bool
    at: float

    def matching(self, words: str) -> list[GitHubRepository]:
        """Those that hold all words in name or description, in any case."""
        wanted = words.casefold().split()
        return [
            each
            for each in self.repositories
            if all(word in f"{each.full_name} {each.description}".casefold() for word in wanted)
        ]


class GitHubAccount:
    """The list of one account's repositories, kept for a while."""

    def __init__(self, api: str, user: str, token: str) -> None:
        self._api = api
        self._user = user
        self._token = token
        self._list = Background(self._read, lambda: None)

    @property
    def is_known(self) -> bool:
        """Whether there is an account whose repositories can be listed."""
        return bool(self._user or self._token)

    @property
    def has_token(self) -> bool:
        return bool(self._token)

    def get(self, patience: float) -> GitHubList | None:
        """The list if it is there within `patience` seconds. Raises GitHubFailed."""
        return self._list.get(patience) if self.is_known else None

    def expire(self) -> None:
        """Ask GitHub again at the next request."""
        self._list.expire()

    def _read(self) -> GitHubList:
        """Called in a thread."""
        found = tuple[GitHubRepository, ...]()
        is_cut = False
        until = time.monotonic() + ALL_SECONDS
        for number, page in enumerate(self._pages(), 1):
            found += tuple(repository for each in page if (repository := _repository(each)))
            if len(page) < PAGE:
                break
            if number == MOST_PAGES or time.monotonic() > until:
                is_cut = True
                break
        return GitHubList(found, is_cut, time.time())

    def _pages(self) -> Iterator[list[Any]]:
        import requests
        from github import Auth, Github, GithubException
        from github import RateLimitExceededException as RateLimited

        client = Github(
            auth=Auth.Token(self._token) if self._token else None,
            base_url=self._api,
            timeout=SECONDS,
            retry=None,
            seconds_between_requests=None,
            user_agent="opcode-htmx",
        )
        path = "/user/repos" if self._token else f"/users/{quote(self._user, safe='')}/repos"
        parameters: dict[str, Any] = {"per_page": PAGE, "sort": "pushed"}
        if self._token:
            parameters["affiliation"] = _AFFILIATION
        try:
            for number in range(1, MOST_PAGES + 1):
                asked = {**parameters, "page": number}
                _, page = client.requester.requestJsonAndCheck("GET", path, parameters=asked)
                if not isinstance(page, list):
                    raise GitHubFailed("GitHub’s answer cannot be read.")
                yield page
        except RateLimited:
            raise GitHubFailed(
                "GitHub has no more requests for this computer now. Try again later."
            ) from None
        except GithubException as error:
            raise GitHubFailed(_REFUSALS.get(error.status) or _other(error.status)) from None
        except (requests.RequestException, OSError, ValueError):
            raise GitHubFailed("GitHub cannot be reached. Try again later.") from None
        finally:
            client.close()


def _other(status: int) -> str:
    return f"GitHub answered with status {status}."


def _repository(value: object) -> GitHubRepository | None:
    if not isinstance(value, dict) or not as_str(value.get("full_name")):
        return None
    size = value.get("size")
    return GitHubRepository(
        full_name=as_str(value["full_name"])[:250],
        description=as_str(value.get("description"))[:500],
        is_private=value.get("private") is True,
        is_fork=value.get("fork") is True,
        is_archived=value.get("archived") is True,
        pushed_at=_time(as_str(value.get("pushed_at"))),
        size=size * 1024 if isinstance(size, int) and 0 <= size < 10**12 else 0,
    )


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
