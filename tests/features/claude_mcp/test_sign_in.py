"""Signing in at an MCP server by OAuth from another device: the running session uses it at once."""

from __future__ import annotations

import contextlib
import html
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.features.claude_mcp import sign_ins
from opcode_htmx.features.claude_mcp.connections import ServerRefused
from opcode_htmx.sessions.configuration.service import ChosenProject
from tests.support.environment import PASSWORD, USER, Sandbox, runs_of, until
from tests.support.mcp.http_server import OAuthMcp, oauth_mcp
from tests.support.pages import dom
from tests.support.server import Server

LOGIN = (USER, PASSWORD)
pytestmark = pytest.mark.timeout(240)


NAMES = ("clouds", "strict", "refusing")


@pytest.fixture(scope="module")
def remotes() -> Iterator[dict[str, OAuthMcp]]:
    """Remote servers by their names; `strict` takes redirects to loopback only."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(oauth_mcp(only_loopback=name == "strict")) for name in NAMES
        }


@pytest.fixture(scope="module")
def shared_settings(shared_home: Sandbox, remotes: dict[str, OAuthMcp]) -> dict[str, str]:
    """Two workers: the browser may come back to the other one. The user has all remote servers."""
    state = shared_home.config_dir / ".claude.json"
    known = json.loads(state.read_text()) if state.exists() else {}
    known["mcpServers"] = {
        name: {"type": "http", "url": f"{each.url}/mcp"} for name, each in remotes.items()
    }
    state.write_text(json.dumps(known))
    return {"OPCODE_WORKERS": "2", "OPCODE_ASK_AHEAD": "0"}


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    with MessagesApi((Scene("any", "", [Text("Hello.")]),)) as api:
        yield api


def words(page: str) -> str:
    return " ".join(dom.parse(page).text.split())


def begin(server: Server, name: str, **fields: str) -> tuple[str, str]:
    """Begin a sign-in: the address of its page, and where the person is to sign in."""
    answer = server.post(f"/claude/mcp/servers/user/{name}/sign-in", fields)
    assert answer.status_code == 303, words(answer.text)
    page = server.get(answer.headers["Location"]).text
    found = re.search(r'href="([^"]+/authorize\?[^"]+)"', page)
    assert found, words(page)
    return answer.headers["Location"], html.unescape(found[1])


def held_open(server: Server) -> list[psutil.Process]:
    """The Claudes without a session that the server has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_ours = process.environ().get("HOME") == str(server.sandbox.home)
            if is_ours and "--no-session-persistence" in process.cmdline():
                found.append(process)
    return found


def agree(url: str) -> str:
    """Where the authorization server sends the browser after the person has agreed."""
    return requests.get(url, allow_redirects=False, timeout=30).headers["Location"]


def add(server: Server, name: str, url: str) -> None:
    fields = {"kind": "http", "name": name, "url": url, "scope": "user"}
    assert server.post("/claude/mcp/new", fields).status_code == 303


def execute(server: Server) -> str:
    """A session that has answered, and is still running."""
    body = {"project_path": str(server.sandbox.project), "prompt": "hello"}
    url = f"{server.url}/api/sessions/execute"
    answer = requests.post(url, json=body, auth=LOGIN, timeout=60)
    session_id: str = answer.json()["data"]["session_id"]
    (run,) = runs_of(server.sandbox.state, session_id)
    out = run / "out.ndjson"
    until(lambda: out.exists() and b'"type":"result"' in out.read_bytes(), "it has answered")
    return session_id


def cli_says(server: Server, claude: Path, name: str) -> str:
    return subprocess.run(
        [str(claude), "mcp", "get", name],
        cwd=server.sandbox.project,
        env=server.sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout


def followed(server: Server, answer: requests.Response) -> str:
    """The words of the page to which it leads, with what it has to report there."""
    cookies = {"Cookie": "; ".join(f"{k}={v}" for k, v in answer.cookies.items())}
    return words(server.get(answer.headers["Location"], headers=cookies).text)


def lists(server: Server, status: str) -> None:
    """Wait until the page of running sessions has this: a server's name and its status."""
    until(lambda: status in words(server.get("/claude/mcp/sessions").text), status)


def test_sign_in_comes_back_to_us_and_reaches_the_running_session_without_a_restart(
    shared_real_server: Server,
    shared_home: Sandbox,
    claude: Path,
    remotes: dict[str, OAuthMcp],
) -> None:
    server = shared_real_server
    session_id = execute(server)
    lists(server, "clouds needs sign-in")
    _, url = begin(server, "clouds")
    back = agree(url)
    assert back.startswith(f"{server.url}/claude/mcp/signed-in?code=")
    path = back.removeprefix(server.url)

    forged = re.sub("state=[^&]+", "state=forged", path)
    assert server.get(forged).status_code == 400, "the state is checked"
    assert requests.head(back, auth=LOGIN, timeout=30).status_code == 200
    assert requests.get(back, timeout=30).status_code == 401, "a login is needed"
    answer = server.get(path, allow_redirects=False)
    assert answer.status_code == 303, words(answer.text)
    assert urlsplit(answer.headers["Location"]).query == "", "no code in the next address"
    page = followed(server, answer)
    assert "Signed in. 1 running session uses it." in page
    assert "connected · 2 tools" in page
    lists(server, "clouds connected · 2 tools")
    assert len(runs_of(shared_home.state, session_id)) == 1, "the session was not restarted"
    assert "Connected" in cli_says(server, claude, "clouds")
    assert server.get(path, allow_redirects=False).status_code == 400, "it works once"

    code = re.findall("code=([0-9a-f]+)", back)[0]
    kept = [p for p in shared_home.state.rglob("*") if p.is_file() and code in _text(p)]
    assert kept == []
    assert code not in _text(server.log)

    assert server.post("/claude/mcp/servers/user/clouds/sign-out", {}).status_code == 303
    lists(server, "clouds needs sign-in")
    one_more_is_connected_by_a_reconnect(server, remotes["clouds"])


def one_more_is_connected_by_a_reconnect(server: Server, remote: OAuthMcp) -> None:
    """A server that is added while a session runs; that session has it then."""
    add(server, "late", f"{remote.url}/open")
    assert server.post("/claude/mcp/servers/user/late/reconnect", {}).status_code == 303
    lists(server, "late connected · 2 tools")
    names = [
        json.loads(line)["request"]["subtype"]
        for path in server.sandbox.state.glob("runs/*/in.ndjson")
        for line in path.read_text().splitlines()
        if '"mcp_' in line
    ]
    assert "mcp_reconnect" in names


def test_address_of_a_localhost_redirect_is_pasted(shared_real_server: Server) -> None:
    server = shared_real_server
    page, url = begin(server, "strict")
    assert "copy it from the address bar" in words(server.get(page).text)
    back = agree(url)
    assert back.startswith("http://localhost:")
    for wrong, reason in (
        ("not an address", "Paste the whole address"),
        (re.sub("state=[^&]+", "state=x", back), "belongs to another sign-in"),
    ):
        answer = server.post(page, {"address": wrong})
        assert answer.status_code == 422
        assert reason in words(answer.text)
    answer = server.post(page, {"address": f" {back}\n"})
    assert answer.status_code == 303, words(answer.text)
    assert "Signed in." in followed(server, answer)
    assert server.post(page, {"address": back}).status_code == 422


def test_refusal_at_the_authorization_server_is_shown(shared_real_server: Server) -> None:
    server = shared_real_server
    first, old = begin(server, "refusing")
    _, url = begin(server, "refusing")
    assert "Another sign-in has begun instead." in words(server.get(first).text)
    late = server.get(agree(old).removeprefix(server.url), allow_redirects=False)
    assert late.status_code == 400, "its browser comes back too late"
    until(lambda: len(held_open(server)) == 1, "one Claude waits for a browser")
    back = agree(url).removeprefix(server.url)
    denied = re.sub("code=[^&]+", "error=access_denied", back)
    answer = server.get(denied, allow_redirects=False)
    assert answer.status_code == 422
    assert "access_denied" in words(answer.text)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://accounts.good.test@evil.test/?state=s",
        "https://evil.test\\@good.test/?state=s",
        "https:///x?state=s",
        "https://[?state=s",
        "https://a\u202e.test/",
    ],
)
def test_address_to_sign_in_at_whose_host_is_in_doubt_is_refused(url: str) -> None:
    with pytest.raises(ServerRefused):
        sign_ins._begun({"authUrl": url}, ChosenProject(), "user", "remote", None)


def test_host_to_sign_in_at_is_shown_in_ascii() -> None:
    given = {"authUrl": "https://\u0430pple.test/?state=s"}
    begun = sign_ins._begun(given, ChosenProject(), "user", "remote", None)
    assert begun.host == "xn--pple-43d.test"
