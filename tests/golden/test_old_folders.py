"""Folders that an earlier version has written are served by this one.

`data/old_folders.json` holds the state folder and Claude's history as version 0.1.0 and Claude
2.1.330 have left them, without what Claude wrote about itself. It is never written anew: a format
that changes gets files of its own.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.golden import golden
from tests.support.environment import PASSWORD, USER, Sandbox, write_stand_in
from tests.support.server import ColdServer, Server

pytestmark = pytest.mark.usefixtures("integration")

BASIC = (USER, PASSWORD)
OLD: dict[str, Any] = json.loads((golden.DATA / "old_folders.json").read_bytes())
ABOUT: dict[str, str] = OLD["about"]
PAGE = f"{ABOUT['sessions']}/{ABOUT['kept']}"


def lay_out(home: Path) -> None:
    """The folders as they were, but made a moment ago: logins and the trash do not last."""
    for name, about in OLD["files"].items():
        path, mode = home / name, int_mode(about["mode"])
        if about["mode"].startswith("d"):
            path.mkdir(exist_ok=True)
        elif about["mode"].startswith("p"):
            os.mkfifo(path)
        else:
            text = about["text"].replace("@HOME@", str(home)).replace("@NOW@", str(time.time()))
            path.write_text(text, encoding="utf-8")
        path.chmod(mode)


def int_mode(text: str) -> int:
    """The mode in numbers of one such as -rw-------."""
    return int("".join("0" if each == "-" else "1" for each in text[1:]), 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("old")
    sandbox = Sandbox(folder / "home").make()
    sandbox.state.mkdir()
    lay_out(sandbox.home)
    claude = write_stand_in(folder / "claude")
    server = ColdServer(sandbox, claude, "", OPCODE_KEEP_RUNS="0", OPCODE_ASK_AHEAD="0")
    try:
        yield server.start()
    finally:
        server.close()


def test_a_browser_that_was_logged_in_still_is(server: Server) -> None:
    cookies = {f"opcode_{server.port}": ABOUT["cookie"]}
    page = requests.get(f"{server.url}/logins", cookies=cookies, timeout=20, allow_redirects=False)
    assert page.status_code == 200
    assert "Safari on iPhone" in page.text


def test_a_session_is_shown_with_its_runs_and_how_they_ended(server: Server) -> None:
    page = server.get(PAGE).text
    for words in (
        "Plums of old",
        "make a plum",
        "print(6 * 7)",
        "It is made.",
        "And is it ripe?",
        "Yes indeed.",
    ):
        assert words in page, words
    assert page.count("tokens in,") == 2
    assert "Allowed" in page, "which only the files of the first run say, whose record is version 1"
    assert "Stopped by you." in page, "which only the record of the second run says, version 2"


def test_a_draft_is_in_the_composer_with_its_file(server: Server) -> None:
    page = server.get(PAGE).text
    assert "half a thought</textarea>" in page
    token = next(
        Path(name).name
        for name, about in OLD["files"].items()
        if name.startswith("state/drafts/") and about.get("text") == "words"
    )
    assert f'name="attached" value="{token}"' in page
    assert "plan.txt" in page


def test_what_was_chosen_stays_chosen(server: Server) -> None:
    page = server.get(PAGE).text
    assert 'name="was_model" value="sonnet"' in page
    assert 'name="was_keep_running" value=""' in page


def test_the_place_where_reading_stopped_is_remembered(server: Server) -> None:
    page = server.get(PAGE).text
    assert 'href="#new-since"' in page
    place = page.index('id="new-since"')
    assert page.index(f'id="{ABOUT["seen"]}"') < place < page.index("It is made.")


def test_a_run_is_found_by_its_id_and_a_cursor_still_points_behind_a_line(server: Server) -> None:
    output = OLD["files"][f"state/runs/{ABOUT['run']}/out.ndjson"]["text"].splitlines(True)
    cursor = f"{ABOUT['run']}.{len(''.join(output[:4]).encode())}.0"
    for session_id in (ABOUT["kept"], ABOUT["run"]):
        answer = server.get(f"/api/sessions/{session_id}/output?after={cursor}&limit=3")
        lines = [line["content"] for line in answer.json()["data"]["lines"]]
        assert lines == [line.rstrip("\n") for line in output[4:7]]


def test_a_session_that_was_only_created_is_there_for_programs(server: Server) -> None:
    path = f"/api/claude/sessions/{ABOUT['chat']}"
    chat = server.get(path).json()["data"]
    assert (chat["title"], chat["status"]) == ("Pears of old", "created")
    assert chat["workingDir"] == "/srv/fruit/work/orchard"
    listed = {each["id"] for each in server.get("/api/claude/sessions").json()["data"]}
    assert {ABOUT["chat"], ABOUT["kept"]} <= listed


def test_a_session_in_the_trash_is_brought_back(server: Server) -> None:
    path = f"{ABOUT['sessions']}/{ABOUT['gone']}"
    if server.get(path).status_code == 404:  # the tests of this file may come in any order
        assert server.post(f"/trash/{ABOUT['trash']}/restore", {}).status_code == 303
    page = server.get(path).text
    assert "throw this away" in page
    assert "Stopped by you." in page


def test_reading_writes_no_record_anew_and_finds_none_unreadable(server: Server) -> None:
    server.get(PAGE)
    state = server.sandbox.state
    for name, about in OLD["files"].items():
        if name.startswith("state/runs/") and name.endswith((".json", ".ndjson")):
            found = (server.sandbox.home / name).read_text(encoding="utf-8")
            assert found == about["text"].replace("@HOME@", str(server.sandbox.home)), name
    assert not list(state.rglob("*unreadable*"))
    logged = server.log.read_text(encoding="utf-8")
    assert not re.search(r"(could not|cannot) (be )?read|unreadable", logged)
