"""Projects and sessions as read from Claude's own files, and the files that are skipped."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files import session_summary, sessions
from opcode_htmx.engines.claude.files.lists.project_lists import Project
from opcode_htmx.runs.policies import working_folders
from tests.engines.files.session_lines import (
    NOON,
    ONE,
    TWO,
    first_prompt,
    line,
    only,
    stamp,
    user,
    write,
)


# Projects
def test_a_missing_or_empty_folder_has_no_projects(tmp_path: Path) -> None:
    assert sessions.projects(tmp_path / "nowhere") == []
    (tmp_path / "projects" / "-empty").mkdir(parents=True)
    assert sessions.projects(tmp_path) == []


def test_projects_come_newest_first_with_path_count_and_times(tmp_path: Path) -> None:
    write(tmp_path, user("a", NOON))
    write(tmp_path, user("b", NOON + 50), f"{TWO}.jsonl")
    write(tmp_path, user("c", NOON + 90, "/srv/infra"), project="-srv-infra")
    newest, older = sessions.projects(tmp_path)
    assert (newest.id, newest.path, newest.session_count) == ("-srv-infra", "/srv/infra", 1)
    assert older == Project("-home-me-shop", "/home/me/shop", (TWO, ONE), NOON + 50, NOON)


def test_the_path_is_where_the_session_began_and_not_where_it_went(tmp_path: Path) -> None:
    write(tmp_path, user("b", NOON, "/home/me") + user("a", NOON + 9, "/home/me/shop"))
    write(tmp_path, user("b", NOON, "/home/me/shop") + user("a", NOON + 9, "/home"), f"{TWO}.jsonl")
    assert sessions.project(tmp_path, "-home-me-shop").path == "/home/me/shop"


def test_agent_files_and_other_names_are_no_sessions(tmp_path: Path) -> None:
    write(tmp_path, user("a"))
    for name in ("agent-1234.jsonl", "notes.jsonl", f"{ONE}.jsonl.bak", f"{TWO}/subagents/x.jsonl"):
        write(tmp_path, user("b"), name)
    write(tmp_path, user("c", isSidechain=True), f"{TWO}.jsonl")
    assert only(tmp_path).id == ONE


def test_session_without_a_prompt_is_not_listed(tmp_path: Path) -> None:
    queued = {"type": "queue-operation", "operation": "enqueue", "content": "hello"}
    write(tmp_path, line(queued))
    assert sessions.projects(tmp_path) == []
    assert sessions.sessions(tmp_path, "-home-me-shop") == []


# Sessions
def test_sessions_come_newest_first_with_what_a_list_shows(tmp_path: Path) -> None:
    write(tmp_path, user("old", NOON) + user("more", NOON + 5))
    path = write(tmp_path, user("new", NOON + 60), f"{TWO}.jsonl")
    newest, older = sessions.sessions(tmp_path, "-home-me-shop")
    assert newest == sessions.SessionSummary(
        id=TWO,
        project_id="-home-me-shop",
        project_path="/home/me/shop",
        first_prompt="new",
        started_at=NOON + 60,
        last_activity=NOON + 60,
        size_bytes=path.stat().st_size,
        prompt_count=1,
        prompted_at=stamp(NOON + 60),
    )
    assert (older.first_prompt, older.prompt_count, older.last_activity) == ("old", 2, NOON + 5)


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("hello\n  there", "hello there"),
        ([{"type": "text", "text": "from blocks"}], "from blocks"),
        ([{"type": "image"}, {"type": "text", "text": "see this"}], "see this"),
        ([{"type": "image", "source": {}}], "(image)"),
        ("<system-reminder>\nbe nice\n</system-reminder>\nfix it", "fix it"),
        ("<ide_opened_file>x.py</ide_opened_file>why?", "why?"),
        ("<div> is not closed, why?", "<div> is not closed, why?"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_title_is_the_text_of_the_first_prompt(tmp_path: Path, content: object, title: str) -> None:
    assert first_prompt(tmp_path, user(content)) == title


@pytest.mark.parametrize(
    "before",
    [
        user("caveat", isMeta=True),
        user("This session is being continued", isCompactSummary=True),
        user([{"type": "tool_result", "tool_use_id": "t", "content": "done"}]),
        user("<local-command-stdout>ok</local-command-stdout>"),
        user("<command-name>/clear</command-name><command-args></command-args>"),
        user("<system-reminder>only that</system-reminder>"),
        user("[Request interrupted by user]"),
        user("a subagent's prompt", isSidechain=True),
        user(None),
        user(7),
        user([None, 7]),
        line({"type": "user"}),
        line({"type": "user", "message": "text"}),
        line({"type": "something-new", "data": [1, 2]}),
        line([1, 2]),
        "not json\n",
        '{"type":"user","message":{"conte\n',
        "\n",
        "[" * 100_000 + "\n",
    ],
)
def test_non_prompt_entries_do_not_become_the_title(tmp_path: Path, before: str) -> None:
    assert first_prompt(tmp_path, before + user("the prompt")) == "the prompt"


def test_a_session_of_commands_only_is_named_after_the_first(tmp_path: Path) -> None:
    command = "<command-message>review</command-message><command-name>/review</command-name>"
    text = user(f"{command}<command-args>the branch</command-args>")
    assert first_prompt(tmp_path, text) == "/review the branch"


def test_half_a_surrogate_pair_does_not_reach_the_page(tmp_path: Path) -> None:
    title = first_prompt(tmp_path, user("cut \ud83d"))
    assert title.encode() == b"cut ?"


def test_incomplete_last_line_is_tolerated(tmp_path: Path) -> None:
    write(tmp_path, user("a", NOON) + user("b", NOON + 5)[:-30])
    assert only(tmp_path).prompt_count == 1


def test_a_first_prompt_of_megabytes_is_read(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"data": "A" * 3_000_000}}
    assert first_prompt(tmp_path, user([image, {"type": "text", "text": "what is this"}])) == (
        "what is this"
    )


def test_line_beyond_the_limit_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, user("A" * (session_summary.LONGEST_LINE + 10)) + user("later"))
    assert sessions.sessions(tmp_path, "-home-me-shop") == []


def test_only_the_ends_of_a_long_file_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = line({"type": "assistant", "text": "x" * 10_000}) * 2_000
    write(tmp_path, user("begin", NOON) + filler + user("end", NOON + 7))
    read = 0
    real = json.loads

    def counting(text: bytes) -> Any:
        nonlocal read
        read += len(text)
        return real(text)

    monkeypatch.setattr(json, "loads", counting)
    found = only(tmp_path)
    assert (found.first_prompt, found.started_at, found.last_activity) == ("begin", NOON, NOON + 7)
    assert found.prompt_count is None
    assert read < 2 * session_summary.HEAD


def test_appended_lines_are_in_the_next_listing(tmp_path: Path) -> None:
    path = write(tmp_path, user("a"))
    assert only(tmp_path).prompt_count == 1
    with path.open("a") as file:
        file.write(user("b", NOON + 3))
    assert (only(tmp_path).prompt_count, only(tmp_path).last_activity) == (2, NOON + 3)


def test_an_unchanged_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, user("a"))
    before = sessions.sessions(tmp_path, "-home-me-shop")

    def refuse(_: bytes) -> Any:
        raise AssertionError("read again")

    monkeypatch.setattr(json, "loads", refuse)
    assert sessions.sessions(tmp_path, "-home-me-shop") == before


def test_modification_time_is_used_without_a_time_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, line({"type": "user", "message": {"content": "x"}}))
    os.utime(path, (NOON, NOON))
    assert (only(tmp_path).started_at, only(tmp_path).last_activity) == (NOON, NOON)
    assert only(tmp_path).project_path is None


def test_future_timestamp_is_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, user("x", NOON + 1e6))
    os.utime(path, (NOON, NOON))
    assert only(tmp_path).last_activity == NOON


# Ids
@pytest.mark.parametrize(
    "project_id", ["", ".", "..", "../x", "a/b", "/etc", "-home-me-shop/..", "a\0b", "a b", "none"]
)
def test_a_bad_or_unknown_project_id_is_not_found(tmp_path: Path, project_id: str) -> None:
    write(tmp_path, user("a"))
    for ask in (sessions.project, sessions.sessions):
        with pytest.raises(sessions.ProjectNotFound):
            ask(tmp_path, project_id)


@pytest.mark.parametrize("session_id", ["", "..", TWO, f"{ONE}.jsonl", f"../-home-me-shop/{ONE}"])
def test_a_bad_or_unknown_session_id_is_not_found(tmp_path: Path, session_id: str) -> None:
    write(tmp_path, user("a"))
    with pytest.raises(sessions.SessionNotFound):
        sessions.session_file(tmp_path, "-home-me-shop", session_id)


def test_a_session_file_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, user("a"))
    assert sessions.session_file(tmp_path, "-home-me-shop", ONE) == path.resolve()


# Folders that a person types
def test_a_folder_under_a_root_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    wanted = (tmp_path / "work").resolve()
    for text in (str(wanted), "~/work", f" {wanted}/ ", f"{wanted}/../work"):
        assert working_folders.choice(text, (tmp_path,)) == wanted


def test_a_folder_that_cannot_be_worked_in_is_refused_with_a_sentence(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").touch()
    (root / "out").symlink_to(tmp_path)
    refusals = {
        "": "Type the path",
        "work": "not a full path",
        "~nobody-of-this-name/x": "cannot be opened",
        str(root / "none"): "There is no folder",
        str(root / "file"): "is a file",
        str(tmp_path): "outside",
        f"{root}/..": "outside",
        str(root / "out"): "outside",
        f"{root}-sibling": "outside",
        f"{root}/\0": "NUL",
    }
    for text, sentence in refusals.items():
        with pytest.raises(working_folders.InvalidFolder, match=sentence):
            working_folders.choice(text, [root])


# Entries
def test_tags_between_a_persons_words_belong_to_them(tmp_path: Path) -> None:
    text = "a <system-reminder>x</system-reminder>b<bash-stdout>cut"
    assert first_prompt(tmp_path, user(text)) == text
