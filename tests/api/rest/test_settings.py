"""Settings, system prompt and installations over the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.clients.api import data, error, get
from tests.support.environment import PASSWORD, USER, Sandbox, write_stand_in
from tests.support.server import Server

CLAUDE, PROMPT = "/api/settings/claude", "/api/settings/system-prompt"


@pytest.fixture
def server(shared_server: Server) -> Server:
    """With nothing in Claude's folder."""
    shared_server.sandbox.empty_config()
    return shared_server


def put(
    server: Server, path: str, body: object, kind: str = "application/json"
) -> requests.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.put(
        server.url + path,
        data=content,
        headers={"Content-Type": kind},
        auth=(USER, PASSWORD),
        timeout=20,
    )


def test_settings_are_read_and_written_in_the_documented_shape(server: Server) -> None:
    assert get(server, CLAUDE) == {"data": {}}
    new = {"model": "opus", "permissions": {"allow": ["Read"]}, "theme": "dark"}
    assert data(put(server, CLAUDE, {"settings": new})) == {"data": new}
    assert get(server, CLAUDE) == {"data": new}
    file = server.sandbox.config_dir / "settings.json"
    assert json.loads(file.read_text()) == new
    file.write_text("{broken")
    assert "not valid JSON" in error(server.get(CLAUDE), 422)
    assert "not valid JSON" in error(put(server, CLAUDE, {"settings": {}}), 422)
    assert file.read_text() == "{broken"


def test_the_system_prompt_is_read_and_written(server: Server) -> None:
    assert get(server, PROMPT) == ""
    assert data(put(server, PROMPT, {"content": "Be kind.\n"})) == "Be kind.\n"
    assert get(server, PROMPT) == "Be kind.\n"
    assert (server.sandbox.config_dir / "CLAUDE.md").read_text() == "Be kind.\n"


def test_a_body_that_cannot_be_used_is_refused_with_a_sentence(server: Server) -> None:
    for body, kind, status, sentence in (
        ({"settings": {}}, "text/plain", 415, "Send the body as JSON"),
        ({"settings": {}}, "", 415, "Send the body as JSON"),
        (b'{"settings":', "application/json", 400, "not valid JSON"),
        (b'{"settings": {"a": NaN}}', "application/json", 400, "not valid JSON"),
        (b"\xff", "application/json", 400, "not valid JSON"),
        (b"", "application/json", 400, "not valid JSON"),
        (b"[" * 100_000, "application/json", 400, "nested deeper than 100 levels"),
        ([], "application/json", 422, "The body must be an object."),
        ({}, "application/json", 422, "“settings” is missing."),
        ({"settings": []}, "application/json", 422, "“settings” must be an object."),
        ({"settings": {}, "x": 1}, "application/json", 422, "“x” is not known here."),
        ({"settings": {}, "\x1b[1m": 1}, "application/json", 422, "“\ufffd[1m” is not known here."),
        ({"x": 1}, "application/json", 422, "The field “settings” is missing."),
        (b"x" * 5_000_000, "application/json", 413, "too large"),
    ):
        assert sentence in error(put(server, CLAUDE, body, kind), status), (body, kind)
    long = {"content": "x" * (1024 * 1024 + 1)}
    assert "1048576" in error(put(server, PROMPT, long), 422)
    assert not (server.sandbox.config_dir / "settings.json").exists()


def test_every_refusal_comes_in_the_envelope(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in)  # which is locked for a while at the end
    address = server.url + CLAUDE
    right = (USER, PASSWORD)
    stranger = requests.get(address, timeout=20)
    assert "user and the password" in error(stranger, 401)
    assert stranger.headers["WWW-Authenticate"] == 'Basic realm="opcode-htmx"'
    foreign = requests.put(
        address, json={}, auth=right, headers={"Origin": "http://evil.example"}, timeout=20
    )
    assert "another site" in error(foreign, 403)
    assert "nothing at this address" in error(server.get("/api/none"), 404)
    wrong = requests.delete(address, auth=right, timeout=20)
    assert "kind of request" in error(wrong, 405)
    assert {"GET", "PUT"} <= set(wrong.headers["Allow"].split(", "))
    unknown = requests.get(address, auth=right, headers={"Host": "evil.example"}, timeout=20)
    assert "OPCODE_ALLOWED_HOSTS" in error(unknown, 421)
    for _ in range(10):
        requests.get(address, auth=(USER, "wrong"), timeout=20)
    waits = requests.get(address, auth=right, timeout=20)
    assert "Too many failed logins" in error(waits, 429)
    assert int(waits.headers["Retry-After"]) > 0


def test_the_version_is_that_of_the_cli_in_use(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in)
    found = get(server, f"{CLAUDE}/version")
    assert found["is_installed"] is True
    assert found["output"] == f"{found['version']} (Claude Code)"
    stand_in.write_text("#!/bin/sh\necho '2.9.9 (Claude Code)'\n")
    assert get(server, f"{CLAUDE}/version")["version"] == "2.9.9"
    stand_in.unlink()
    gone = get(server, f"{CLAUDE}/version")
    assert (gone["is_installed"], gone["version"]) == (False, None)
    assert "is not there any more" in gone["output"]


def test_installations_are_working_clis_newest_first(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    places = {
        "nvm (v22.1.0)": ".nvm/versions/node/v22.1.0/bin/claude",
        "claude-local": ".claude/local/claude",
        "bun": ".bun/bin/claude",
    }
    for number, place in enumerate(places.values()):
        path = sandbox.home / place
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho 2.{number + 90}.0\n")
        path.chmod(0o755)
    broken = sandbox.home / ".local/bin/claude"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    again = sandbox.home / ".config/yarn/global/node_modules/.bin/claude"
    again.parent.mkdir(parents=True)
    again.symlink_to(sandbox.home / places["bun"])
    server = start_server(sandbox, stand_in)
    found = get(server, f"{CLAUDE}/installations")
    by_source = {each["source"]: each for each in found}
    ours = [each["version"] for each in found if each["source"] in places]
    assert ours == ["2.92.0", "2.91.0", "2.90.0"]
    assert by_source["nvm (v22.1.0)"] == {
        "path": str(sandbox.home / places["nvm (v22.1.0)"]),
        "version": "2.90.0",
        "source": "nvm (v22.1.0)",
        "installation_type": "System",
        "is_used": False,
        "is_chosen": False,
        "is_too_old": False,
        "is_updatable": True,
    }
    assert by_source["CLAUDE_PATH"]["installation_type"] == "Custom"
    assert by_source["CLAUDE_PATH"]["path"] == str(stand_in)
    assert [each["source"] for each in found if each["is_used"]] == ["CLAUDE_PATH"]
    assert "local-bin" not in by_source
    assert len({each["path"] for each in found}) == len(found)
    write_stand_in(broken)
    assert "local-bin" in {each["source"] for each in get(server, f"{CLAUDE}/installations")}


def test_version_of_a_cli_is_probed_once_for_concurrent_requests(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(sandbox, stand_in)
    asked = tmp_path / "asked"
    stand_in.write_text(f"#!/bin/sh\necho x >> {asked}\nsleep 0.3\necho 2.9.9\n")
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: get(server, f"{CLAUDE}/version"), range(6)))
    assert {each["version"] for each in found} == {"2.9.9"}
    assert asked.read_text() == "x\n"
