"""/runs: live runs and their resources, leftover processes, and stopping them all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import expect

from tests.support.cli.supervision import FOREVER
from tests.support.environment import (
    Sandbox,
    Server,
    processes_of,
    until,
    write_stand_in,
)
from tests.support.pages import dom, page_checks
from tests.support.pages.browser import Phone

DAEMON = "import os\nos.setsid()\nos.fork() or os.execve('/bin/sleep', ['sleep', '60'], os.environ)"

SLEEP = ["sleep", "61"]

Stray = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def quiet_server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("quiet") / "home").make()
    claude = write_stand_in(sandbox.home / "claude")
    server = Server(sandbox, claude, "http://127.0.0.1:9").start()
    yield server
    server.close()


@pytest.fixture
def server(quiet_server: Server) -> Iterator[Server]:
    """One on which nothing runs, and of which nothing is left, as each test begins."""
    yield quiet_server
    quiet_server.post("/runs/stop-all", {})
    until(lambda: "Nothing is running" in quiet_server.get("/runs").text, "nothing runs")
    assert not processes_of(quiet_server.sandbox.state)


@pytest.fixture
def mortal_server(integration: None, tmp_path: Path) -> Iterator[Server]:
    """One that dies, with runs that nobody has stopped: they ask for a look afterwards."""
    sandbox = Sandbox(tmp_path / "home").make()
    server = Server(sandbox, write_stand_in(tmp_path / "claude"), "http://127.0.0.1:9").start()
    yield server
    server.close()


@pytest.fixture
def stray() -> Iterator[Stray]:
    """Starts a process as a job deferred by a run would be: with the run's environment."""
    started: list[subprocess.Popen[bytes]] = []

    def stray(folder: Path) -> subprocess.Popen[bytes]:
        marks = {"OPCODE_RUN_ID": folder.name, "OPCODE_RUN_FOLDER": str(folder)}
        environment = {"PATH": os.defpath, **marks}
        started.append(subprocess.Popen(SLEEP, env=environment, start_new_session=True))
        return started[-1]

    yield stray
    for each in started:
        each.kill()
        each.wait()


def begin(server: Server, *steps: list[object]) -> Path:
    """Begin a session; the folder of its run, once Claude has done this much."""
    fields = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": json.dumps([["text", "ready"], *steps, ["text", "set"], FOREVER]),
    }
    begun = server.post("/sessions", fields)
    assert begun.status_code == 303, begun.text
    session_id = begun.headers["Location"].rpartition("/")[2].removesuffix("#end")
    folders = (path.parent for path in (server.sandbox.state / "runs").glob("*/run.json"))
    folder = next(each for each in folders if record(each)["session_id"] == session_id)
    word = "request_id" if ["ask", "r1"] in steps else "set"
    until(lambda: word in (folder / "out.ndjson").read_text(), "Claude has begun")
    return folder


def record(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return loaded


def ended(server: Server) -> Path:
    """The folder of a run that has been stopped."""
    folder = begin(server)
    server.post(f"/runs/{folder.name}/stop", {})
    until(lambda: record(folder)["end"], "it has ended")
    return folder


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


def test_next_server_ends_leftovers_of_a_run_that_died_with_the_last_server(
    mortal_server: Server,
) -> None:
    server = mortal_server
    folder = begin(server, ["grandchild"])
    until(lambda: len(processes_of(server.sandbox.state)) >= 2, "Claude has started it")
    server.kill()
    psutil.Process(record(folder)["pid"]).kill()
    assert len(until(lambda: processes_of(server.sandbox.state), "the grandchild lives on")) >= 1
    server.start()
    until(lambda: not processes_of(server.sandbox.state), "it has been ended")
    assert record(folder)["end"]["outcome"] == "interrupted"


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
    until(lambda: not processes_of(server.sandbox.state), "no process with a mark is left", 8)
    until(lambda: all(record(folder)["end"] for folder in runs), "all have ended")
    assert {record(folder)["end"]["outcome"] for folder in runs} == {"cancelled"}
    page = server.get("/runs").text
    assert "Nothing is running" in page
    assert "Stop all" not in page
    assert server.post("/runs/stop-all", {}).status_code == 303  # twice does no harm


def test_stop_all_touches_no_other_server_of_this_machine(server: Server, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "elsewhere").make()
    claude = write_stand_in(sandbox.home / "claude")
    other = Server(sandbox, claude, "http://127.0.0.1:9").start()
    try:
        begin(other, ["grandchild"])
        begin(server)
        assert server.post("/runs/stop-all", {}).status_code == 303
        until(lambda: not processes_of(server.sandbox.state), "its own runs have ended")
        until(lambda: len(processes_of(sandbox.state)) == 2, "they are there")
    finally:
        other.close()


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


# In the browser -------------------------------------------------------------------------------

LONG = {"command": "npm test\nnpm run deploy"}


def asks(request_id: str, **tool_input: str) -> list[list[object]]:
    """Steps that ask for permission to run a command."""
    tool = {"tool_name": "Bash", "description": tool_input.get("description", "")}
    request = {"subtype": "can_use_tool", "input": tool_input, **tool}
    return [["say", {"type": "control_request", "request_id": request_id, "request": request}]]


def answers(folder: Path) -> list[str]:
    lines = map(json.loads, (folder / "in.ndjson").read_text().splitlines())
    responses = (line["response"] for line in lines if line["type"] == "control_response")
    return [each["response"]["behavior"] for each in responses]


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_a_short_request_is_answered_in_its_row_and_a_longer_one_at_its_top(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    long = begin(server, ["lines", 30], *asks("r1", **LONG))
    short = begin(server, *asks("r2", command="npm test", description="Run the tests"))
    until(lambda: server.get("/runs").text.count('data-count="2"') == 1, "both ask")
    phone = open_phone(server, java_script_enabled=scripts)
    page = phone.page
    page.goto("/runs")
    row = page.locator(f"#row-{short.name}")
    expect(row.locator(".run-about")).to_have_text("Run the tests")
    expect(row.locator(".run-call")).to_have_text("Bash npm test")
    expect(page.locator(f"#row-{long.name}").get_by_role("button", name="Allow")).to_have_count(0)
    row.get_by_role("button", name="Allow" if scripts else "Deny").click()
    until(lambda: answers(short) == ["allow" if scripts else "deny"], "Claude has the answer")
    page.wait_for_url("**/runs")
    expect(row.get_by_role("button", name="Allow")).to_have_count(0)
    page.locator(f"#row-{long.name}").get_by_role("link", name="Look and answer").click()
    page.wait_for_url("**#b-r1")
    expect(page.get_by_role("heading", name="Allow Bash?")).to_be_in_viewport(ratio=1)


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_stop_is_in_the_menu_of_the_row(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    folder = begin(server)
    phone = open_phone(server, java_script_enabled=scripts)
    phone.page.goto("/runs")
    stop = phone.button("Stop")
    expect(stop).to_be_hidden()
    phone.button("Session menu").click()
    expect(stop).to_be_visible()
    box = stop.bounding_box()
    assert box
    assert box["y"] > 844 * 0.4, "within reach of a thumb"
    stop.click()
    phone.page.wait_for_url("**/runs")
    until(lambda: record(folder)["end"], "it has ended")


@pytest.mark.browser
def test_refreshing_takes_no_control_from_under_a_finger(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    """An open menu stays, while other rows go on; what has moved takes no press for a moment."""
    first = begin(server, *asks("r1", command="npm test"))
    page = open_phone(server).page
    page.goto("/runs")
    page.locator(f"#row-{first.name} .run-more").click()
    menu = page.locator(f"#menu-{first.name}")
    expect(menu).to_be_visible()
    menu.evaluate("menu => { menu.dataset.same = 'yes'; }")
    second = begin(server, *asks("r2", command="npm start"))
    with page.expect_response("**/runs"):
        pass
    expect(menu).to_have_attribute("data-same", "yes")
    expect(menu).to_be_visible()
    page.evaluate(
        """() => new MutationObserver(() => {
            const held = document.querySelector("#runs[data-held]");
            if (held && document.getElementById("row-SECOND")) {
                held.querySelector(".run-ask button").click();
                document.body.dataset.pressed = "yes";
            }
        }).observe(document.querySelector("main"), { childList: true, subtree: true,
                                                     attributes: true })""".replace(
            "SECOND", second.name
        )
    )
    page.keyboard.press("Escape")
    expect(page.locator(f"#row-{second.name}")).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-pressed", "yes")
    expect(page.locator("#runs")).not_to_have_attribute("data-held", "")
    assert (answers(first), answers(second)) == ([], [])
    page.locator(f"#row-{second.name}").get_by_role("button", name="Allow").click()
    until(lambda: answers(second) == ["allow"], "a press counts again")


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["", "without JavaScript"])
def test_stop_all_asks_first(
    server: Server, open_phone: Callable[..., Phone], scripts: bool
) -> None:
    folder = begin(server)
    phone = open_phone(server, java_script_enabled=scripts)
    phone.page.goto("/runs")
    sure = phone.button("Stop everything")
    expect(sure).to_be_hidden()
    phone.page.locator("summary", has_text="Stop all").click()
    expect(phone.page.get_by_text("This ends Claude in 1 session")).to_be_visible()
    with phone.page.expect_navigation():
        sure.click()
    until(lambda: record(folder)["end"], "it has ended")
    nothing = phone.page.get_by_role("heading", name="Nothing is running")
    phone.reload_until(nothing.is_visible, "nothing is running")


@pytest.mark.browser
def test_auto_refresh_keeps_opened_details_open(
    server: Server, open_phone: Callable[..., Phone], stray: Stray
) -> None:
    folder = ended(server)
    begin(server)
    phone = open_phone(server)
    phone.page.goto("/runs")
    phone.page.locator("summary", has_text="Stop all").click()
    phone.page.locator("h1").first.click()  # the focus goes elsewhere
    stray(folder)
    expect(phone.page.get_by_role("heading", name="Left behind")).to_be_visible()
    expect(phone.button("Stop everything")).to_be_visible()


@pytest.mark.browser
def test_the_page_fits_and_can_be_tapped(
    server: Server, open_phone: Callable[..., Phone], stray: Stray
) -> None:
    stray(ended(server))
    begin(server, ["grandchild"])
    until(lambda: "Left behind" in server.get("/runs").text, "what was left is found")
    phone = open_phone(server)
    for width in (320, 390, 1280):
        phone.page.set_viewport_size({"width": width, "height": 740})
        phone.page.goto("/runs")
        phone.page.locator("summary", has_text="Stop all").click()
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
        for step in ("the rows", "a menu"):
            assert page_checks.smaller_than_a_thumb(phone.page) == [], (width, step)
            phone.button("Session menu").first.click()
