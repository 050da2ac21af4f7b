"""The pages of git show a history that somebody made up, whatever its dates and names are."""

from __future__ import annotations

import pytest

from tests.features.commits.desk import Desk

PAGES = ("", "/branches", "/stashes", "/push", "/pull")


@pytest.mark.parametrize(
    "moments",
    [
        ["9999999999999", "9223372036854775807", "99999999999999999999", "x"],
        # git itself does not show moments before 1970 or after the year 2^55, and says so
        ["-5"],
        ["1 +99999999"],
    ],
    ids=["shown by git", "before 1970", "far zone"],
)
def test_commits_of_any_moment_are_shown(desk: Desk, moments: list[str]) -> None:
    repo = desk.repo
    head, tree = (
        repo.plain("rev-parse", name).decode().strip() for name in ("HEAD", "HEAD^{tree}")
    )
    repo.plain("remote", "add", "origin", "https://x.example/a")
    commit = head
    for number, moment in enumerate(moments):
        zone = "" if " " in moment else " +0000"
        person = f"\u202eeve\x1b[31m <e@x.example> {moment}{zone}"
        said = f"author {person}\ncommitter {person}\n\n\x1b[2Jodd\u202e\n"
        text = f"tree {tree}\nparent {commit}\n{said}"
        made = repo.plain(
            *("hash-object", "-t", "commit", "-w", "--stdin", "--literally"), stdin=text.encode()
        )
        commit = made.decode().strip()
        for name in (f"heads/odd{number}", "heads/main", f"remotes/origin/odd{number}"):
            repo.plain("update-ref", f"refs/{name}", commit)
        repo.plain("stash", "store", "-m", "odd\u202e", commit, check=False)
        discarded = f"refs/opcode/discarded/170000000{number}-0123456789ab"
        repo.plain("update-ref", discarded, commit)
    repo.plain("update-ref", "refs/remotes/origin/main", head)
    allowed = (200, 409) if len(moments) == 1 else (200,)
    for page in PAGES:
        answer = desk.client.get(f"{desk.git}{page}")
        assert answer.status_code in allowed, (page, answer.text)
        assert "\x1b" not in answer.text, page
        assert "\u202e" not in answer.text, page
    for path in ("", "/branches", "/push"):
        answer = desk.client.get(f"/api{desk.git}{path}")
        assert answer.status_code in allowed, (path, answer.text)
