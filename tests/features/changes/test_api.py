"""The endpoints say what the pages show."""

from __future__ import annotations

from typing import Any

from tests.features.changes.conftest import SESSION, Pages, Repository


def get(pages: Pages, name: str = "", status: int = 200, **query: str) -> Any:
    address = f"/api/projects/{pages.project}/changes{name}"
    answer = pages.client.get(address, query_string=query)
    assert answer.status_code == status, answer.text
    return answer.get_json()["data" if status == 200 else "error"]


def test_the_files_are_listed_with_their_sides(pages: Pages, repository: Repository) -> None:
    repository.write("app.txt", "two\n")
    repository.git("add", "app.txt")
    repository.write("new.txt", "x\ny\n")
    found = get(pages)
    head = repository.git("rev-parse", "HEAD")
    assert (found["base"], found["commit"], found["branch"]) == ("commit", head, "main")
    assert [(f["path"], f["status"], f["side"], f["added"]) for f in found["files"]] == [
        ("new.txt", "untracked", "unstaged", 2),
        ("app.txt", "modified", "staged", 1),
    ]


def test_a_session_is_compared_with_its_begin(pages: Pages, repository: Repository) -> None:
    repository.checkpoint(repository.commit())
    repository.write("app.txt", "two\n")
    repository.commit()
    found = get(pages, session_id=SESSION)
    assert (found["base"], [each["path"] for each in found["files"]]) == ("session", ["app.txt"])
    assert get(pages)["files"] == []


def test_a_diff_has_hunks_with_numbered_lines(pages: Pages, repository: Repository) -> None:
    repository.write("app.txt", "one\ntwo\n")
    (file,) = get(pages)["files"]
    for named in ({"id": file["id"]}, {"path": "app.txt"}):
        found = get(pages, "/diff", **named)
        (hunk,) = found["hunks"]
        assert hunk["lines"] == [
            {"kind": "ctx", "text": "one", "old": 1, "new": 1},
            {"kind": "add", "text": "two", "old": None, "new": 2},
        ]
        assert found["file"] == file


def test_what_cannot_be_answered_has_a_sentence(pages: Pages, repository: Repository) -> None:
    assert "Name a change" in get(pages, "/diff", 422, path="../../etc/passwd")
    (repository.folder / ".git").rename(repository.home / "elsewhere")
    assert "in no git repository" in get(pages, status=409)


def test_unreadable_repository_has_one_status_on_pages_and_in_the_api(
    pages: Pages, repository: Repository
) -> None:
    (repository.folder / ".git" / "config").write_text("[")
    for prefix in ("", "/api"):
        for page in ("changes", "git"):
            address = f"{prefix}/projects/{pages.project}/{page}"
            assert pages.client.get(address).status_code == 409, address
    assert "This repository cannot be read: " in get(pages, status=409)
