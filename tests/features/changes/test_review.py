"""Comments on changed lines: kept, shown, sent as one prompt, and addressed by a change."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from opcode_htmx.features.changes.review.anchors import place_of
from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.storage.drafts import draft_name
from tests.features.changes.conftest import SESSION, Pages, Repository, plain
from tests.support.environment import Sandbox
from tests.support.pages import dom

FORM = "5e551000-0000-4000-8000-00000000f001"
LINES: dict[str, Any] = {"key": "app.txt", "on": "new", "first": 2, "last": 3, "text": "Why two?"}


@pytest.fixture
def context(app: Flask) -> AppContext:
    found: AppContext = app.extensions["opcode_context"]
    return found


@pytest.fixture
def changed(repository: Repository) -> Repository:
    repository.write("app.txt", "one\ntwo\nthree\nfour\n")
    return repository


def comment(pages: Pages, **fields: str | int) -> str:
    """The id of a new comment."""
    answer = pages.post("/comments", **{**LINES, **fields})
    assert answer.status_code == 303, answer.text
    found = re.search(r"#c-(\w{12})$", answer.location)
    assert found
    return found[1]


def sent_prompts(context: AppContext, session_id: str = SESSION) -> list[str]:
    """The prompts that runs of the session were given."""
    return [text for run in context.runs.of_session(session_id) for text in run.state.sent.values()]


def test_a_comment_stands_under_its_lines(pages: Pages, changed: Repository) -> None:
    made = comment(pages)
    page = pages.text("/file", path="app.txt")
    at = page.index(f'id="c-{made}"')
    assert "three" in page[:at] and "four" in page[at:]
    assert "Lines 2–3" in plain(page[at:]) and "Why two?" in page[at:]
    assert "1 comment" in plain(pages.text())


def test_links_and_forms_without_scripts_lead_to_a_comment_and_a_mark(
    pages: Pages, changed: Repository
) -> None:
    def link(html: str, words: str) -> str:
        links = (each for each in dom.parse(html).walk() if each.tag == "a")
        named = (each for each in links if words in (each.attributes.get("aria-label"), each.text))
        return next(named).attributes["href"] or ""

    def press(html: str, words: str, **typed: str) -> str:
        address, fields = dom.form_of(html, words)
        answer = pages.client.post(address, data={**fields, **typed}, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    listed = pages.text(base="commit")
    diff = pages.client.get(link(listed, "Open the diff")).text
    added = press(diff, "Add comment", first="2", text="Why two?")
    assert "Line 2 Not sent yet" in " ".join(plain(added).split())
    assert "1 viewed" in plain(press(added, "Mark as viewed"))
    assert link(listed, "Back to the session") == pages.address().removesuffix("/changes")


def test_a_comment_is_added_in_place(pages: Pages, changed: Repository) -> None:
    answer = pages.post("/comments", htmx=True, **LINES)
    assert answer.status_code == 200
    assert 'class="comment"' in answer.text and "Send 1 to Claude" in answer.text


def test_a_comment_can_be_changed_and_removed(pages: Pages, changed: Repository) -> None:
    made = comment(pages)
    assert pages.post(f"/comments/{made}", text="Why three?").status_code == 303
    page = pages.text("/comments")
    assert "Why three?" in page and "Why two?" not in page and "two\nthree" in page
    assert pages.post(f"/comments/{made}", act="remove").status_code == 303
    assert "No comments" in pages.text("/comments")
    assert pages.post(f"/comments/{made}", text="x").status_code == 404
    assert pages.post("/comments/..%2f..%2fx", text="x").status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": " "}, "Write a comment first."),
        ({"text": "x" * 5001}, "A comment may have 5,000 characters."),
        ({"first": 9, "last": 9}, "The file has no such lines."),
        ({"first": "x"}, "Say which lines the comment is about."),
        ({"first": 1, "last": 900}, "A comment may be about 200 lines."),
    ],
)
def test_a_comment_that_cannot_be_kept_is_refused(
    pages: Pages, changed: Repository, fields: dict[str, Any], sentence: str
) -> None:
    answer = pages.post("/comments", **{**LINES, **fields})
    assert (answer.status_code, sentence in answer.text) == (422, True)


def test_comments_go_to_claude_as_one_prompt_once(
    pages: Pages, changed: Repository, context: AppContext
) -> None:
    changed.write("inner/deep.txt", "```\nfence\n")
    comment(pages)
    comment(pages, key="inner/deep.txt", first=1, last=1, text="No fences, please.")
    for _ in range(2):
        answer = pages.post("/comments/send", to="claude", prompt_id=FORM)
        assert answer.status_code == 303
        assert answer.location.endswith(f"/sessions/{SESSION}#end")
    (prompt,) = sent_prompts(context)
    assert prompt == (
        "Please go through these 2 comments on the changes, and mend what they say:\n\n"
        "1. `app.txt`, lines 2-3:\n\n```\ntwo\nthree\n```\n\nWhy two?\n\n"
        "2. `inner/deep.txt`, line 1:\n\n````\n```\n````\n\nNo fences, please."
    )
    assert "Send" not in plain(pages.text("/comments"))


def test_a_sent_comment_is_addressed_once_its_lines_change(
    pages: Pages, changed: Repository
) -> None:
    comment(pages)
    pages.post("/comments/send", to="claude", prompt_id=FORM)
    assert "Sent" in plain(pages.text("/comments"))
    changed.write("app.txt", "zero\none\ntwo\nthree\nfour\n")
    moved = plain(pages.text("/comments"))
    assert "Lines 3–4" in moved and "Addressed" not in moved
    changed.write("app.txt", "zero\none\n2\nthree\nfour\n")
    assert "✓ Addressed" in plain(pages.text("/comments"))


def test_lines_that_changed_before_the_comment_was_sent_are_said_to_have(
    pages: Pages, changed: Repository, context: AppContext
) -> None:
    comment(pages)
    changed.write("app.txt", "one\n2\nthree\n")
    assert "The lines have changed since" in plain(pages.text("/comments"))
    pages.post("/comments/send", to="claude", prompt_id=FORM)
    assert "which have changed since the comment was written" in sent_prompts(context)[0]


def test_a_comment_on_removed_lines_is_addressed_when_they_are_back(
    pages: Pages, repository: Repository
) -> None:
    repository.write("app.txt", "a\nb\nc\n")
    repository.commit()
    repository.write("app.txt", "a\nc\n")
    fields: dict[str, Any] = {
        **LINES,
        "on": "old",
        "first": 2,
        "last": 2,
        "base": "commit",
        "side": "unstaged",
    }
    assert pages.post("/comments", **fields).status_code == 303
    pages.post("/comments/send", to="claude", prompt_id=FORM)
    assert "Line 2 before Sent" in plain(pages.text("/comments"))
    repository.write("app.txt", "a\nb\nc\n")
    assert "✓ Addressed" in plain(pages.text("/comments"))


def test_comments_can_go_into_the_message(
    pages: Pages, changed: Repository, context: AppContext
) -> None:
    context.sessions.drafts.save_text(SESSION, "Begun.")
    comment(pages)
    assert pages.post("/comments/send", to="draft", prompt_id=FORM).status_code == 303
    text = context.sessions.drafts.get(SESSION).text
    assert text.startswith("Begun.\n\nPlease go through this comment") and "Why two?" in text
    assert not sent_prompts(context)


def test_comments_on_a_project_begin_a_session_or_go_to_one(
    pages: Pages, changed: Repository, context: AppContext
) -> None:
    project = pages.of_project
    comment(project)
    assert "Why two?" not in pages.text("/comments")
    assert f'<option value="{SESSION}">' in project.text("/comments")
    answer = project.post("/comments/send", to="new", prompt_id=FORM)
    assert answer.location == f"/projects/{pages.project}/new"
    assert "Why two?" in context.sessions.drafts.get(draft_name(pages.project)).text
    comment(project, text="And three?")
    answer = project.post("/comments/send", to="session", session=SESSION, prompt_id=FORM)
    assert answer.status_code == 303
    (prompt,) = sent_prompts(context)
    assert "And three?" in prompt and "Why two?" not in prompt


def test_a_refused_prompt_leaves_the_comments_unsent(
    pages: Pages, changed: Repository, context: AppContext
) -> None:
    comment(pages)
    assert pages.post("/comments/send", to="claude", prompt_id="no id").status_code == 422
    assert pages.post("/comments/send", to="elsewhere", prompt_id=FORM).status_code == 422
    assert not sent_prompts(context)
    assert "Not sent yet" in plain(pages.text("/comments"))


def test_a_viewed_mark_goes_when_the_diff_changes(pages: Pages, changed: Repository) -> None:
    def is_viewed() -> bool:
        return "1 viewed" in plain(pages.text(base="commit"))

    mark: dict[str, Any] = {"key": "app.txt", "side": "unstaged", "base": "commit"}
    assert pages.post("/viewed", **mark, viewed=1).status_code == 303
    assert is_viewed()
    path = changed.folder / "app.txt"
    path.write_bytes(path.read_bytes())
    assert is_viewed(), "written again with the same content"
    changed.write("app.txt", "two\n")
    assert not is_viewed()
    again = pages.post("/viewed", htmx=True, **mark, viewed=1).text
    assert "✓ Viewed" in again and 'hx-swap-oob="true"' in again
    pages.post("/viewed", **mark)
    assert not is_viewed()


def test_comments_and_marks_are_the_sessions_own(
    pages: Pages, changed: Repository, sandbox: Sandbox
) -> None:
    comment(pages)
    (file,) = (sandbox.state / "reviews").rglob("*.json")
    content = json.loads(file.read_text())
    assert file.parent.name == SESSION
    assert content["comments"][0]["code"] == "two\nthree"


@pytest.mark.parametrize(
    ("content", "code", "near", "found"),
    [
        (b"a\nb\nc\n", b"b", 1, 2),
        (b"a\nb\nc", b"b\nc", 9, 2),
        (b"x\na\nx\na\nx\na\n", b"a", 4, 4),
        (b"x\na\nx\na\nx\na\n", b"a", 5, 4),
        (b"ab\n", b"a", 1, 0),
        (b"", b"a", 1, 0),
        (b"\n\n\n", b"", 3, 3),
    ],
)
def test_lines_are_found_again_nearest_to_where_they_were(
    content: bytes, code: bytes, near: int, found: int
) -> None:
    assert place_of(content, code, near) == found


def test_comments_go_into_the_trash_with_their_session_and_come_back(
    pages: Pages, changed: Repository, sandbox: Sandbox
) -> None:
    comment(pages)
    session = f"/projects/{pages.project}/sessions/{SESSION}"
    answer = pages.client.post(f"{session}/delete")
    deleted = re.search(r"deleted=(\w+)", answer.location)
    assert deleted and not list((sandbox.state / "reviews").iterdir())
    assert pages.client.post(f"/trash/{deleted[1]}/restore").status_code == 303
    assert "Why two?" in pages.text("/comments")
