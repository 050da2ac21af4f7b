"""The pages of git show a history that somebody made up, whatever its dates and names are."""

from __future__ import annotations

import pytest

from tests.features.commits.desk import Desk

PAGES = ("", "/branches", "/stashes", "/push", "/pull")


@pytest.mark.parametrize(
    "moment",
    ["9999999999999", "9223372036854775807", "99999999999999999999", "-5", "x", "1 +99999999"],
)
def test_commits_of_any_moment_are_shown(desk: Desk, moment: str) -> None:
    repo = desk.repo
    head, tree = (
        repo.plain("rev-parse", name).decode().strip() for name in ("HEAD", "HEAD^{tree}")
    )
    zone = "" if " " in moment else " +0000"
    person = f"\u202eeve\x1b[31m <e@x.example> {moment}{zone}"
    text = f"tree {tree}\nparent {head}\nauthor {person}\ncommitter {person}\n\n\x1b[2Jodd\u202e\n"
    made = repo.plain(
        *("hash-object", "-t", "commit", "-w", "--stdin", "--literally"), stdin=text.encode()
    )
    commit = made.decode().strip()
    repo.plain("remote", "add", "origin", "https://x.example/a")
    for name in ("heads/odd", "heads/main", "remotes/origin/odd", "remotes/origin/main"):
        repo.plain("update-ref", f"refs/{name}", commit)
    repo.plain("update-ref", "refs/remotes/origin/main", head)
    repo.plain("stash", "store", "-m", "odd\u202e", commit, check=False)
    repo.plain("update-ref", "refs/opcode/discarded/1700000000-0123456789ab", commit)
    # git itself does not show moments before 1970 or after the year 2^55, and says so
    allowed = (200, 409) if moment in ("-5", "1 +99999999") else (200,)
    for page in PAGES:
        answer = desk.client.get(f"{desk.git}{page}")
        assert answer.status_code in allowed, (page, answer.text)
        assert "\x1b" not in answer.text, page
        assert "\u202e" not in answer.text, page
    for path in ("", "/branches", "/push"):
        answer = desk.client.get(f"/api{desk.git}{path}")
        assert answer.status_code in allowed, (path, answer.text)
