"""User entries made by hand, through a real server: pages, search, export and API."""

from __future__ import annotations

import uuid
from typing import Any

from tests.engines.protocol.user_entries.entries import OWN_WORDS, bash_mode, chained
from tests.support.cli.captured import line
from tests.support.clients.api import get
from tests.support.server import Server

PROJECT = "-home-me-code-demo"


def own_words() -> list[dict[str, Any]]:
    typed = {"promptSource": "typed", "origin": {"kind": "human"}}
    return chained(
        [{"type": "user", "message": {"content": words}, **typed} for words in OWN_WORDS]
    )


def put(server: Server, entries: list[dict[str, Any]]) -> str:
    """Keep the entries as a session; the path of its page."""
    session = str(uuid.uuid4())
    path = server.sandbox.config_dir / "projects" / PROJECT / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line(**each) for each in entries))
    return f"/projects/{PROJECT}/sessions/{session}"


def listed(server: Server, path: str) -> dict[str, Any]:
    """The entry of the API's list for the session with this page."""
    every = get(server, f"/api/projects/{PROJECT}/sessions")
    (found,) = (each for each in every if path.endswith(each["id"]))
    assert isinstance(found, dict)
    return found


def test_bash_mode_is_a_terminal_on_the_page_in_search_export_and_api(server: Server) -> None:
    path = put(server, bash_mode())
    page = server.get(path).text
    assert page.count("block-shell") == 1
    assert "$ ls -la" in page
    assert "ls: &lt;x&gt;: no" in page
    for tag in ("bash-input", "bash-stdout", "bash-stderr", "caveat"):
        assert f"&lt;{tag}" not in page
    assert ">what is in the folder</h1>" in page
    assert listed(server, path)["first_message"] == "what is in the folder"
    assert server.get(f"{path}/blocks/line-2").text == (
        "$ ls -la\n\ntotal 8\nfile.txt\n\nls: <x>: no"
    )
    export = server.get(f"{path}/export.md").text
    assert "```\n$ ls -la\ntotal 8\nfile.txt\n```\n\n```\nls: <x>: no\n```" in export
    assert "Terminal, its output" in server.get(f"{path}/search?q=file.txt").text
    assert "1 message" in server.get(f"/projects/{PROJECT}").text


def test_a_session_of_shell_commands_only_is_named_after_the_first(server: Server) -> None:
    path = put(server, bash_mode()[:3])
    assert listed(server, path)["first_message"] == "! ls -la"
    assert ">! ls -la</h1>" in server.get(path).text


def test_words_with_tags_are_verbatim_on_the_page_in_export_and_api(server: Server) -> None:
    path = put(server, own_words())
    page = server.get(path).text
    export = server.get(f"{path}/export.md").text
    for words in OWN_WORDS:
        assert words.replace("<", "&lt;").replace(">", "&gt;") in page
        assert words in export
    assert page.count("block-prompt") == len(OWN_WORDS)
    assert listed(server, path)["first_message"] == OWN_WORDS[0]
