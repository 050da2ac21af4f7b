"""The list of one's repositories, from a scripted API."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opcode_htmx.sessions.repositories.github import GitHubAccount, GitHubFailed
from tests.support.environment import free_port
from tests.support.outside.github_api import GitHubApi, github_api, repository

TOKEN = "ghp_secret"


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with github_api() as api:
        yield api


def test_all_pages_are_read_with_the_token(api: GitHubApi) -> None:
    api.token = TOKEN
    api.repositories = [repository(f"me/apple-{n}", private=n == 0) for n in range(250)]
    found = GitHubAccount(api.url, "", TOKEN).get(30)
    assert found is not None
    assert [each.full_name for each in found.repositories] == [
        each["full_name"] for each in api.repositories
    ]
    assert (found.is_cut, found.repositories[0].is_private) == (False, True)
    assert found.repositories[0].size == 120 * 1024
    assert len(api.paths) == 3
    assert all(path.startswith("/api/v3/user/repos?") for path in api.paths)
    assert not any(TOKEN in path for path in api.paths)


def test_without_a_token_the_public_ones_of_the_user_are_listed_and_kept(api: GitHubApi) -> None:
    api.repositories = [
        repository("me/orchard"),
        repository("me/other", description=None, pushed_at="yesterday", size="x"),
        {"nothing": 1},
    ]
    account = GitHubAccount(api.url, "me", "")
    found = account.get(30)
    assert found is not None
    assert [each.full_name for each in found.matching("APPLES orch")] == ["me/orchard"]
    assert [each.full_name for each in found.matching("")] == ["me/orchard", "me/other"]
    assert account.get(30) is found
    (path,) = api.paths
    assert path.startswith("/api/v3/users/me/repos?")
    assert api.authorizations == {""}
    account.expire()
    assert account.get(30) is not found


@pytest.mark.parametrize(
    ("status", "rate_limited", "why"),
    [
        (401, False, "does not accept the token"),
        (404, False, "knows no user"),
        (500, False, "status 500"),
        (200, True, "no more requests"),
    ],
)
def test_a_refusal_is_a_sentence_without_the_token(
    api: GitHubApi, status: int, rate_limited: bool, why: str
) -> None:
    api.status, api.rate_limited = status, rate_limited
    with pytest.raises(GitHubFailed, match=why) as refused:
        GitHubAccount(api.url, "me", TOKEN).get(30)
    assert TOKEN not in str(refused.value)


def test_an_api_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(GitHubFailed, match="cannot be reached"):
        GitHubAccount(f"http://127.0.0.1:{free_port()}", "me", "").get(30)


def test_a_slow_api_holds_up_nobody(api: GitHubApi) -> None:
    api.hold = threading.Event()
    account = GitHubAccount(api.url, "me", "")
    assert account.get(0.05) is None
    api.hold.set()
    assert account.get(30) is not None


def test_nobody_is_asked_without_an_account(api: GitHubApi) -> None:
    account = GitHubAccount(api.url, "", "")
    assert (account.is_known, account.get(1)) == (False, None)
    assert api.paths == []
