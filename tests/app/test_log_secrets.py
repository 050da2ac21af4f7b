"""Whatever is sent to the server, the log holds no secret and no prompt."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.clients import api
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server

WORD = "Zwetschge-7"
"""In every text that nobody may log; its forms in addresses, JSON and Python are searched for."""
PROMPTS = (
    f"{WORD} in plain words",
    f"{WORD}\nINFO opcode_htmx.audit: actor=opcode/x action=forged",
    f'{{"{WORD}": [1, "\\u2028"]}} \x1b[2J {"x" * 9000}',
    f"{WORD} ünï \u202e ퟿ 🍑",
    f"/clear {WORD}",
    f"%s %d {{}} {WORD}",
)
TOKENS = ("Pflaume-9" + "a" * 20, "ghp_Pflaume9" + "b" * 20)
VARIABLES = {"OPCODE_GITHUB_TOKEN": TOKENS[1], "ANTHROPIC_API_KEY": TOKENS[0]}
SEARCHED = re.compile(rb"Zwetschge|Pflaume|for-the-tests|Mirabelle")


def everything_logged(server: Server, sandbox: Sandbox) -> bytes:
    files = sorted((sandbox.state / "logs").glob("*.ndjson"))
    assert files
    return server.log.read_bytes() + b"".join(each.read_bytes() for each in files)


def test_no_secret_and_no_prompt_is_logged(
    start_server: Callable[..., Server], sandbox: Sandbox, stand_in: Path
) -> None:
    session_id = str(uuid.uuid4())
    prompt = json.loads(api.prompt(PROMPTS[0], sandbox.project))
    entry = {**prompt, "uuid": str(uuid.uuid4()), "parentUuid": None, "sessionId": session_id}
    history = api.session(sandbox.config_dir, sandbox.project, api.line(entry), session_id)
    with history.open("ab") as file:  # lines that cannot be parsed or folded
        file.write(b'{"type": "user", "message": {"content": [{"type": "text", "text": 5, ')
        file.write(f'"x": "{WORD}"}}]}}}}\n{{"type": "assistant", "{WORD}"\n'.encode())
    server = start_server(
        sandbox, stand_in, OPCODE_LOG_LEVEL="debug", OPCODE_WORKERS="2", **VARIABLES
    )
    base = f"/projects/{project_id(sandbox.project)}/sessions/{session_id}"

    # --- passwords, cookies, tokens and codes ---
    wrong = {"user": USER, "password": "Mirabelle-of-the-neighbour", "next": f"/?q={WORD}"}
    assert requests.post(f"{server.url}/login", data=wrong, timeout=20).status_code == 401
    browser = requests.Session()
    assert browser.post(
        f"{server.url}/login", data={"user": USER, "password": PASSWORD}, timeout=20
    ).ok
    cookies = browser.cookies.values()
    assert cookies
    for header in (f"Bearer {TOKENS[0]}", "Basic Zwetschge", f"Basic {WORD * 3}"):
        answer = requests.get(f"{server.url}/runs", headers={"Authorization": header}, timeout=20)
        assert answer.status_code in (400, 401)
    requests.post(f"{server.url}/pair", data={"code": WORD}, timeout=20)
    for path in (f"/nowhere/{quote(WORD)}?token={TOKENS[0]}", f"/search?q={quote(WORD)}"):
        server.get(path)
        server.get(path, headers={"X-Request-Id": WORD + "\x01", "User-Agent": TOKENS[0]})

    for line in (b"GET /?x=Pflaume HTTP/9.9", b"Zwetschge\x01", b"GET / HTTP/1.1\r\nZwet schge: x"):
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(line + b"\r\n\r\n")
            assert b" 400 " in connection.recv(1000)

    # --- prompts, by form and by JSON, good and refused ---
    for each in PROMPTS:
        form = {"prompt": each, "prompt_id": str(uuid.uuid4())}
        assert server.post(f"{base}/prompt", form).status_code < 500
        assert server.post(f"{base}/draft", {**form, "by": "t"}).status_code < 500
        assert server.post("/prompts", {"title": each, "text": each}).status_code < 500
        body: dict[str, Any] = {"prompt": each, "project_path": str(sandbox.project), "model": each}
        variants: list[Any] = [body, {**body, WORD: 1}, [each], each]
        for path in ("/api/sessions/execute", "/api/schedules", "/api/agents"):
            for sent in variants:
                requests.post(f"{server.url}{path}", json=sent, auth=(USER, PASSWORD), timeout=20)
    requests.post(
        f"{server.url}/api/sessions/execute",
        data=f'{{"prompt": "{WORD}'.encode(),
        headers={"Content-Type": "application/json"},
        auth=(USER, PASSWORD),
        timeout=20,
    )
    assert server.get(base).status_code == 200

    # --- settings with secrets, and a clone from an address that has one ---
    settings: Any = {"settings": {"env": {"API_KEY": TOKENS[0]}, "model": WORD}}
    url = f"{server.url}/api/settings/claude"
    assert requests.put(url, json=settings, auth=(USER, PASSWORD), timeout=20).ok
    server.post("/repositories", {"address": f"https://me:{TOKENS[0]}@127.0.0.1:9/x.git"})

    def is_over() -> bool:
        return b"prompt.send" in everything_logged(server, sandbox)

    until(is_over, "what was done is logged")
    logged = everything_logged(server, sandbox)
    assert not SEARCHED.search(logged), SEARCHED.findall(logged)
    for cookie in cookies:
        assert cookie
        assert cookie.encode() not in logged
    assert b"Invalid request from" in logged
    assert b"request_ids" in logged, "requests are logged at this level"


def test_the_log_can_be_json_on_stderr_and_the_level_holds(
    start_server: Callable[..., Server], sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(
        sandbox, stand_in, OPCODE_LOG_FORMAT="json", OPCODE_LOG_LEVEL="info", OPCODE_WORKERS="2"
    )
    answer = server.get("/nowhere")
    request_id = answer.headers["X-Request-Id"]
    worker = server.worker_processes()[0]
    worker.kill()

    def lines() -> list[dict[str, object]]:
        return [json.loads(each) for each in server.log.read_bytes().splitlines()]

    until(lambda: any("SIGKILL" in str(each["message"]) for each in lines()), "it is reported")
    (refused,) = [each for each in lines() if each.get("request") == request_id]
    assert (refused["level"], refused["status"]) == ("info", 404)

    def is_shown() -> bool:  # gunicorn's own process logs into the files, too
        shown = server.get("/logs").text
        return "was sent SIGKILL" in shown and request_id in shown

    until(is_shown, "the page has both")
