"""/runs: live runs and their resources, leftover processes, and stopping them all."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.features.attention.runs import Stray, begin, ended, record
from tests.support.environment import Sandbox, processes_of, until, write_stand_in
from tests.support.pages import dom
from tests.support.server import Server

DAEMON = "import os\nos.setsid()\nos.fork() or os.execve('/bin/sleep', ['sleep', '60'], os.environ)"


@pytest.fixture(scope="module")
def mortal_server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that dies, with runs that nobody has stopped: they ask for a look afterwards."""
    sandbox = Sandbox(tmp_path_factory.mktemp("mortal") / "home").make()
    claude = write_stand_in(sandbox.home / "claude")
    server = Server(sandbox, claude, "http://127.0.0.1:9").start()
    yield server
    server.close()


def listed(server: Server) -> dict[str, Any]:
    runs = server.get("/api/sessions/running").json()["data"]
    return {run["run_id"]: run for run in runs}


def test_the_page_of_the_server_lists_what_each_session_uses_in_words(server: Server) -> None:
    folder = begin(server, ["grandchild"])
    figures = r"[\d.]+ MB of memory</span> <span>\d+% of a processor</span> <span>2 programs"
    until(lambda: re.search(figures, server.get("/server").text), "its figures are there")
    text = server.get("/server").text
    assert f">{server.sandbox.project.name}</span>" in text
    assert "Longest pause in the last minute" in text
    run = listed(server)[folder.name]
    assert run["processes"] == 2
    assert run["memory_bytes"] > 1_000_000
    assert 0 <= run["cpu_percent"] < 400
    assert 0 <= run["age_seconds"] < 60


def test_a_row_has_the_project_the_title_and_one_line_of_status(server: Server) -> None:
    begin(server, ["ask", "r1"])
    until(lambda: "Waiting for your answer" in server.get("/runs").text, "it asks")
    page = dom.parse(server.get("/runs").text)
    (row,) = [each for each in page.walk() if each.attributes.get("class") == "row"]
    project, title, status = row.elements
    assert project.text == server.sandbox.project.name
    assert title.text.startswith("[[")
    assert status.text.startswith("Waiting for your answer")
    assert not re.search(r"\bMB\b|CPU|process", page.text)


def test_leftover_processes_of_an_ended_run_are_listed_and_stopped(
    server: Server, stray: Stray
) -> None:
    folder = ended(server)
    assert "Left behind" not in server.get("/runs").text
    child = stray(folder)
    until(lambda: "Left behind" in server.get("/runs").text, "it is found")
    page = server.get("/runs")
    assert "sleep 61" in page.text
    assert "Left behind: Claude has ended here" in server.get("/server").text
    assert f"/sessions/{record(folder)['session_id']}" in page.text
    address = f"/runs/{folder.name}/leftovers/stop"
    assert server.post(address, {}).status_code == 303
    assert child.wait(10) != 0
    assert "Left behind" not in server.get("/runs").text
    again = server.post(address, {})
    assert again.status_code == 409
    assert "Nothing of this run is left" in again.text


def test_the_processes_of_a_run_that_lives_are_no_leftovers(shared_server: Server) -> None:
    folder, state = begin(shared_server, ["grandchild"]), shared_server.sandbox.state
    assert shared_server.post(f"/runs/{folder.name}/leftovers/stop", {}).status_code == 409
    until(lambda: len(processes_of(state, folder.name)) == 2, "they are there")


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "x", "0" * 32])
def test_invalid_run_id_has_no_leftovers(shared_server: Server, name: str) -> None:
    assert shared_server.post(f"/runs/{name}/leftovers/stop", {}).status_code in (404, 409)


def test_leftovers_from_a_time_without_a_server_are_listed_by_the_next(
    mortal_server: Server, stray: Stray
) -> None:
    """The server and the run die; the job deferred by the run begins only now."""
    server = mortal_server
    folder = begin(server, ["grandchild"])
    server.kill()
    for each in processes_of(server.sandbox.state):
        each.kill()
    server.start()
    assert record(folder)["end"]["outcome"] == "interrupted"
    child = stray(folder)
    until(lambda: "Left behind" in server.get("/runs").text, "it is found")
    assert server.post(f"/runs/{folder.name}/leftovers/stop", {}).status_code == 303
    child.wait(10)


def test_stop_all_leaves_nothing_of_any_run(server: Server, stray: Stray) -> None:
    old = ended(server)
    runs = [
        begin(server, ["grandchild"]),
        begin(server, ["start", sys.executable, "-c", DAEMON]),
        begin(server, ["deaf"]),
    ]
    stray(old)
    until(lambda: "Left behind" in server.get("/runs").text, "what was left is found")
    until(lambda: len(processes_of(server.sandbox.state)) == 6, "they are there")
    assert server.post("/runs/stop-all", {}).status_code == 303
    until(lambda: not processes_of(server.sandbox.state), "no process with a mark is left")
    until(lambda: all(record(folder)["end"] for folder in runs), "all have ended")
    assert {record(folder)["end"]["outcome"] for folder in runs} == {"cancelled"}
    page = server.get("/runs").text
    assert "Nothing is running" in page
    assert "Stop all" not in page
    assert server.post("/runs/stop-all", {}).status_code == 303  # twice does no harm


def test_stop_all_touches_no_other_server_of_this_machine(
    server: Server, shared_server: Server
) -> None:
    other = begin(shared_server, ["grandchild"])
    begin(server)
    assert server.post("/runs/stop-all", {}).status_code == 303
    until(lambda: not processes_of(server.sandbox.state), "its own runs have ended")
    state = shared_server.sandbox.state
    until(lambda: len(processes_of(state, other.name)) == 2, "they are there")


@pytest.mark.parametrize("address", ["/runs/stop-all", f"/runs/{'0' * 32}/leftovers/stop"])
def test_a_form_of_another_site_stops_nothing(shared_server: Server, address: str) -> None:
    server = shared_server
    folder = begin(server)
    browser = requests.Session()
    login = {"username": "opcode", "password": "for-the-tests"}
    browser.post(f"{server.url}/login", data=login, timeout=20)
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = browser.post(server.url + address, headers=headers, timeout=20)
    assert refused.status_code in (401, 403)
    assert record(folder)["end"] is None
    assert processes_of(server.sandbox.state, folder.name)
