"""The limits as reported on pages, in the API and on sockets."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket
from playwright.sync_api import expect

from opcode_htmx.app import cli
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.long_line import LONG_LINE
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.events.types import RunEnded, RunStarted
from opcode_htmx.runs.model.record import Outcome
from tests.features.composer.prompting import begin
from tests.features.session_page.test_live_updates import Viewer
from tests.runs.events.listening import only
from tests.runs.events.of_servers import BASIC, emitted
from tests.runs.policies.over_http import Sockets, Start, of_type, prompt_at
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient
from tests.support.environment import ROOT, Sandbox, basic_header, until
from tests.support.pages.browser import Phone
from tests.support.server import Server


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_MAX_QUEUED": "2", "OPCODE_MAX_LINE": "100K", "OPCODE_MAX_OUTPUT": "1M"}


# --- The queue ------------------------------------------------------------------------------


def test_one_prompt_too_many_is_refused_and_stays_in_the_composer(
    server: Server, sockets: Sockets, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, steps(["wait", str(gate)]))
    until(lambda: "Working" in server.get(path).text, "it works")
    for text in ("second", "third"):
        assert prompt_at(server, path, text).status_code == 303
    refused = prompt_at(server, path, "one too many")
    assert refused.status_code == 429
    assert "2 prompts wait already, and no more may (OPCODE_MAX_QUEUED)" in refused.text
    page = server.get(path).text
    assert re.search(r"<textarea[^>]*id=\"prompt\"[^>]*>\s*one too many", page)
    client = sockets(JsonClient(server))
    session = path.rpartition("/")[2]
    client.send(command_type="prompt", session_id=session, prompt="from a program")
    assert "OPCODE_MAX_QUEUED" in of_type(client, "error")
    gate.touch()
    until(lambda: "Ready for the next prompt" in server.get(path).text, "all is done")
    assert prompt_at(server, path, "one too many").status_code == 303


# --- Viewers --------------------------------------------------------------------------------


def test_viewer_beyond_the_limit_is_refused_and_its_page_says_so_until_another_leaves(
    start_server: Start,
    sandbox: Sandbox,
    stand_in: Path,
    open_phone: Callable[..., Phone],
    sockets: Sockets,
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_VIEWERS="2")
    path = begin(server, "Hello")
    until(lambda: "Ready for the next prompt" in server.get(path).text, "all is said")
    first, second = sockets(Viewer(server, path)), sockets(JsonClient(server))
    for url in (f"{path}/live", "/ws/claude"):
        third = connect(server, url)
        opcode, data = third.recv_data(control_frame=True)
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1013).to_bytes(2, "big"))
        assert b"OPCODE_MAX_VIEWERS" in data
        third.shutdown()
    assert first.receive()
    phone = open_phone(server)
    phone.page.goto(path)
    expect(phone.status).to_have_text("Too many pages are open on this server. Trying again…")
    assert phone.texts() == ["Hello"]
    second.ws.close()
    expect(phone.page.locator("body")).to_have_attribute("data-link", "online")
    expect(phone.status).to_have_text("Ready for the next prompt")


def connect(server: Server, path: str) -> Any:
    header = [f"{name}: {value}" for name, value in basic_header().items()]
    url = server.url.replace("http", "ws", 1) + path
    return websocket.create_connection(url, header=header, suppress_origin=True, timeout=20)


def test_the_launcher_allows_as_many_open_files_as_the_system_lets_it() -> None:
    code = (
        "import resource; from opcode_htmx.app import cli; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 700)); cli.allow_many_files(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(700, 700)"
    assert cli.MAX_OPEN_FILES >= 4 * 800
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_as_many_viewers_as_are_allowed_leave_room_for_other_requests() -> None:
    config = (ROOT / "gunicorn.conf.py").read_text()
    connections = re.search(r"^worker_connections = (\d+)", config, re.MULTILINE)
    assert connections
    defaults = {each.field: each.default for each in Settings.variables()}
    assert 500 < int(defaults["max_viewers"]) <= int(connections[1]) - 100


# --- Long lines -----------------------------------------------------------------------------


def test_too_long_line_is_the_same_on_the_page_and_in_the_api(
    server: Server, sockets: Sockets
) -> None:
    path = begin(server, steps(["text", "apples"], ["big", 150_000], ["text", "pears"]))
    until(lambda: "Ready for the next prompt" in server.get(path).text, "it is done")
    page = server.get(path).text
    assert "Claude wrote a line of 150 KB, which is too long to be shown here." in page
    output = re.search(r"(runs/[0-9a-f]{32}/out\.ndjson) in the state folder", page)
    assert output
    order = re.findall(r"<p [^>]*>(apples|pears)</p>|(line of 150 KB)", page)
    assert [one or other for one, other in order] == ["apples", "line of 150 KB", "pears"]
    assert "xxxxxxxx" not in page

    session = path.rpartition("/")[2]
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=session)
    notice = client.until(lambda message: LONG_LINE in str(message.get("content")))
    line = re.search(r'"offset": (\d+), "bytes": (\d+)', notice["content"])
    assert line
    begin_, size = int(line[1]), int(line[2])
    whole = (server.sandbox.state / output[1]).read_bytes()[begin_ : begin_ + size + 1]
    assert whole.startswith(b'{"type": "assistant"')
    assert whole.endswith(b"}\n")
    assert b"\n" not in whole[:-1]
    client.until(lambda message: "pears" in str(message.get("content")))

    chat = sockets(JsonClient(server, f"/api/claude/sessions/{session}/chat", greeted=False))
    notice = chat.until("line_left_out")
    assert (notice["offset"], notice["bytes"]) == (begin_, size)
    server.kill()
    server.start()
    assert "Claude wrote a line of 150 KB" in server.get(path).text


# --- Output, and time -----------------------------------------------------------------------


def test_warning_is_on_the_page_and_in_the_list_until_the_stop(
    server: Server, kept_phone: Phone, sockets: Sockets, tmp_path: Path
) -> None:
    phone, gate, never = kept_phone, tmp_path / "gate", tmp_path / "never"
    words = steps(
        ["big", 900_000],
        ["wait", str(gate)],
        ["stderr", "Oh."],
        ["big", 200_000],
        ["wait", str(never)],
    )
    path = begin(server, words)
    phone.page.goto(path)
    sentence = "Claude has written 90% of the 1.0 MB that this server keeps of one run"
    expect(phone.page.locator("#warnings")).to_contain_text(sentence)
    assert sentence in server.get("/runs").text
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=path.rpartition("/")[2])
    gate.touch()
    cause = "Stopped: what Claude wrote has reached the 1.0 MB that this server keeps of one run"
    expect(phone.status).to_contain_text(cause)
    expect(phone.transcript).to_contain_text(cause)
    expect(phone.page.locator("#warnings")).to_be_empty()
    ended = client.until("ended")
    assert ended["outcome"] == "failed"
    assert cause in ended["message"]
    assert sentence not in server.get("/runs").text


def test_run_timeout_is_reported_to_api_clients_and_emitted_once_as_the_systems_doing(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2", OPCODE_RUN_TIMEOUT="1")
    path = begin(server, steps(["wait", str(sandbox.home / "never")]))
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=path.rpartition("/")[2])
    ended = client.until("ended")
    assert ended["outcome"] == "timed out"
    assert "1 second without an end of its turn" in ended["message"]
    cause = "Timed out: Claude worked for 1 second"
    until(lambda: cause in server.get("/runs").text, "the list has it until somebody has seen it")
    until(lambda: cause in server.get(path).text, "the other worker shows it, too")
    events = emitted(server, "run_started", "prompt_submitted", "run_ended")
    end = only(RunEnded, events)
    assert (end.by, end.outcome) == (SYSTEM, Outcome.TIMED_OUT)
    assert only(RunStarted, events).by == BASIC
    assert "actor=system action=run.stop " in server.log.read_text()
