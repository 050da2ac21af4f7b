"""Lists put what happens now first, also after a clock that was ahead for a while."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.home.service import PAGE, _is_pinned_or_archived
from opcode_htmx.features.projects import session_list
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import Flags
from tests.sessions.index.histories import NOON, Session
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox

DAY = 86_400.0


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in) as app:
        yield app


def written(sandbox: Sandbox, folder: Path, at: float) -> str:
    """The id of a session that was used last at a Unix time."""
    session_id = str(uuid.uuid4())
    session = Session(sandbox.config_dir, session_id, str(folder))
    session.prompt("Water the trees", at=at - NOON)
    os.utime(session.path, (at, at))
    return session_id


def listed(client: FlaskClient, address: str, *, of: str = "sessions") -> list[str]:
    page = client.get(address).text.partition("<main")[2]
    return list(
        dict.fromkeys(re.findall(rf'href="[^"]*/{of}/([0-9a-zA-Z-]{{36}}|-[\w-]+)"?', page))
    )


def test_what_is_used_now_is_listed_before_what_a_clock_that_was_ahead_has_written(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    ahead = [
        written(sandbox, sandbox.project, time.time() + DAY + each) for each in range(PAGE + 3)
    ]
    project = client.get("/projects").text.partition('href="/projects/')[2].partition('"')[0]
    for address in ("/", f"/projects/{project}"):
        assert listed(client, address)[:2] == [ahead[-1], ahead[-2]], "in their own order"
    now = written(sandbox, sandbox.project, time.time())
    for address in ("/", f"/projects/{project}"):
        assert listed(client, address)[:2] == [now, ahead[-1]], address
    older = listed(client, f"/?from={PAGE}")
    assert ahead[0] in older or ahead[0] in listed(client, f"/projects/{project}")


def test_projects_are_listed_in_the_same_order(client: FlaskClient, sandbox: Sandbox) -> None:
    meadow = sandbox.home / "meadow"
    meadow.mkdir()
    written(sandbox, meadow, time.time() + DAY)
    assert client.get("/projects").text.count("meadow")
    written(sandbox, sandbox.project, time.time())
    page = client.get("/projects").text.partition("<main")[2]
    assert page.index(sandbox.project.name) < page.index("meadow")


@pytest.mark.parametrize("first", [(), (2, 1, 3)])
def test_times_of_a_wrong_clock_that_are_noticed_at_once_stay_in_their_order(
    tmp_path: Path, first: tuple[int, ...]
) -> None:
    path, later = tmp_path / "marks.json", time.time() + DAY
    for each in first:
        ReadPositions(path).newest_first([later + each], float)
    wrong = [later + 2, later, later + 3, later + 1]
    for _ in range(2):
        found = ReadPositions(path).newest_first(wrong, float)
        assert found == [later + 3, later + 2, later + 1, later]
    assert ReadPositions(path).newest_first([later, time.time()], float)[1] == later


@pytest.mark.parametrize("ahead", [2, 300])
def test_what_is_used_just_now_is_first_and_stays_there(tmp_path: Path, ahead: float) -> None:
    path, now = tmp_path / "marks.json", time.time()
    years, yesterday = now + 4 * 365 * DAY, now - DAY
    noticed = [[years, now - 30 * DAY]]
    path.write_text(json.dumps({"version": 1, "since": 0, "sessions": {}, "noticed": noticed}))
    for _ in range(2):
        found = ReadPositions(path).newest_first([years, yesterday, now + ahead], float)
        assert found == [now + ahead, yesterday, years]


@pytest.mark.parametrize("noticed", [None, -2 * DAY, -0.5 * DAY])
def test_a_time_to_come_leads_no_session_out_of_the_archive(noticed: float | None) -> None:
    now = time.time()
    at, flags = now + 365 * DAY, {"a": Flags(archived=now - DAY)}
    session: Any = SimpleNamespace(
        id="a", session_id="a", claude_folder="-p", title="t", last_activity=at, prompt_count=1
    )
    known = {} if noticed is None else {at: now + noticed}
    listed = session_list.listed([session], flags, {}, PastTimes(known))
    assert listed.archived_count == 1
    past = PastTimes(known)
    past.newest_first([at], float)
    assert _is_pinned_or_archived(session, flags, past)


def test_what_was_noticed_before_it_was_archived_stays_there_once_its_time_has_come() -> None:
    now = time.time()
    session: Any = SimpleNamespace(session_id="a", last_activity=now - 60)
    flags, known = {"a": Flags(archived=now - DAY)}, {now - 60: now - 2 * DAY}
    assert _is_pinned_or_archived(session, flags, PastTimes(known))
    assert not _is_pinned_or_archived(session, flags, PastTimes())


def test_every_page_knows_when_a_wrong_time_was_noticed(
    client: FlaskClient, sandbox: Sandbox, app: Flask
) -> None:
    used = round(time.time()) - 3600.0
    session_id = written(sandbox, sandbox.project, used)
    other = written(sandbox, sandbox.project, used - DAY)
    project = client.get("/projects").text.partition('href="/projects/')[2].partition('"')[0]
    context: AppContext = app.extensions["opcode_context"]
    context.sessions.read_positions.notice(noticed(used, used - 2 * DAY))
    flags = {"version": 1, "sessions": {session_id: {"archived": used - DAY}}}
    (sandbox.state / "flags.json").write_text(json.dumps(flags))
    for address in ("/", f"/projects/{project}"):
        assert session_id not in listed(client, address), address
    others = client.get(f"/projects/{project}/sessions/{other}/others").text
    assert (other in others, session_id in others) == (True, False)
    page = f"/projects/{project}/sessions/{session_id}"
    assert 'value="unarchive"' in client.get(page).text
    client.post(f"{page}/flags", data={"act": "archive"})
    assert context.sessions.flags.of(session_id).archived == used - DAY, "it is there"


@pytest.mark.parametrize("is_selected", [True, False])
def test_archiving_notices_a_time_to_come(
    client: FlaskClient, sandbox: Sandbox, app: Flask, is_selected: bool
) -> None:
    used = round(time.time()) + DAY
    session_id = written(sandbox, sandbox.project, used)
    folder = next((sandbox.config_dir / "projects").iterdir()).name
    if is_selected:
        form = {"act": "archive", "session": f"{folder}/{session_id}"}
        client.post("/sessions/selected", data=form)
    else:
        client.post(f"/projects/{folder}/sessions/{session_id}/flags", data={"act": "archive"})
    context: AppContext = app.extensions["opcode_context"]
    flags, past = context.sessions.flags.of(session_id), context.sessions.read_positions.past()
    assert flags.archived
    assert past.noticed_by(used, flags.archived) <= flags.archived, "once the time has come"


def noticed(at: float, when: float) -> PastTimes:
    past = PastTimes()
    past.new[at] = when
    return past


def test_a_list_without_wrong_times_stays_as_it_is(tmp_path: Path) -> None:
    positions = ReadPositions(tmp_path / "marks.json")
    items = [5.0, 9.0, 7.0]
    assert positions.newest_first(items, float) is items
    now = time.time()
    assert list(positions.newest_first([now - 5, now + DAY, now + 9], float)) == [
        now + DAY,
        now + 9,
        now - 5,
    ]
    assert (tmp_path / "marks.json").exists()
    assert (
        list(ReadPositions(tmp_path / "marks.json").newest_first([now + DAY, time.time()], float))[
            1
        ]
        == now + DAY
    )
