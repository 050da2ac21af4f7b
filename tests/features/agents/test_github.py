"""Agents from GitHub: one host is asked, nothing else is followed, and answers are bounded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opcode_htmx.features.agents.exchange.github import GitHub, NotFetched, Place, place_of
from opcode_htmx.features.agents.model import AgentRefused
from opcode_htmx.features.agents.serialization import MOST_BYTES

FOLDER = "/repos/me/shared/contents/agents"
AGENT = json.dumps({"version": 1, "agent": {"name": "A", "system_prompt": "B"}})


class Handler(BaseHTTPRequestHandler):
    asked: list[str]
    answers: dict[str, tuple[int, str, bytes]]
    cut_off = 0
    """Bytes that are announced and do not come."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, location, content = self.answers.get(self.path, (404, "", b""))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content) + self.cut_off))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[tuple[GitHub, type[Handler]]]:
    made = type("Made", (Handler,), {"asked": [], "answers": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield GitHub(f"http://127.0.0.1:{server.server_port}"), made
        finally:
            server.shutdown()
            thread.join()


def entry(name: str, kind: str = "file") -> dict[str, object]:
    url = "https://evil.example/x"
    return {"name": name, "path": f"agents/{name}", "type": kind, "size": 9, "download_url": url}


def test_a_folder_lists_its_agents_and_a_file_is_read_from_the_same_host(
    api: tuple[GitHub, type[Handler]],
) -> None:
    hub, server = api
    found = [entry("b.opcode.json"), entry("a.md"), entry("x.txt"), entry("c.md", "dir")]
    server.answers[FOLDER] = (200, "", json.dumps(found).encode())
    server.answers[f"{FOLDER}/b.opcode.json?ref=v1"] = (200, "", AGENT.encode())
    place = place_of("me/shared/agents")
    assert [each.name for each in hub.listing(place)] == ["a.md", "b.opcode.json"]
    file = Place("me", "shared", "agents/b.opcode.json", "v1")
    assert hub.content(file) == AGENT.encode()
    assert server.asked == [FOLDER, f"{FOLDER}/b.opcode.json?ref=v1"]


def test_redirects_are_followed_on_the_same_host_only(api: tuple[GitHub, type[Handler]]) -> None:
    hub, server = api
    place = Place("me", "shared", "agents")
    server.answers[FOLDER] = (301, "/repositories/1/contents/agents", b"")
    server.answers["/repositories/1/contents/agents"] = (200, "", b"[]")
    assert hub.listing(place) == []
    for target in ("http://127.0.0.1:1/x", "https://evil.example/x", "//evil.example/x"):
        server.answers[FOLDER] = (302, target, b"")
        with pytest.raises(NotFetched, match="another host"):
            hub.listing(place)
    for target in ("https://[x", "/\xe9"):
        server.answers[FOLDER] = (302, target, b"")
        with pytest.raises(NotFetched, match="cannot be read"):
            hub.listing(place)
    server.answers[FOLDER] = (302, FOLDER, b"")
    with pytest.raises(NotFetched, match="from one address to the next"):
        hub.listing(place)


def test_answers_that_are_too_large_or_no_listing_are_refused(
    api: tuple[GitHub, type[Handler]],
) -> None:
    hub, server = api
    server.answers[FOLDER] = (200, "", b"x" * (MOST_BYTES + 1))
    with pytest.raises(AgentRefused, match="larger"):
        hub.content(Place("me", "shared", "agents"))
    for content in (b"<html>", b"[" * 40 + b"]" * 40):
        server.answers[FOLDER] = (200, "", content)
        with pytest.raises(NotFetched, match="cannot be read"):
            hub.listing(Place("me", "shared", "agents"))
    with pytest.raises(NotFetched, match="no such folder"):
        hub.listing(Place("me", "other"))


def test_hostile_entries_of_a_listing_are_left_out_or_made_harmless(
    api: tuple[GitHub, type[Handler]],
) -> None:
    hub, server = api
    odd: list[object] = [
        {**entry("a.md"), "size": 10**400},
        {**entry("b.md"), "size": -1},
        {**entry("c.md"), "path": ["x"]},
        {**entry("d.md"), "name": {"x": "d.md"}},
        {"type": "file"},
        None,
        [[]],
        "e.md",
    ]
    server.answers[FOLDER] = (200, "", json.dumps(odd).encode())
    found = hub.listing(Place("me", "shared", "agents"))
    assert [(each.name, each.size) for each in found] == [("a.md", 0), ("b.md", 0), ("c.md", 9)]


def test_an_answer_that_was_cut_off_is_no_agent(api: tuple[GitHub, type[Handler]]) -> None:
    hub, server = api
    server.answers[FOLDER] = (200, "", b"---\nname: a\ndisallowedTools: Bash")
    server.cut_off = 7
    with pytest.raises(NotFetched, match="cut off"):
        hub.content(Place("me", "shared", "agents"))


def test_places_are_read_from_addresses_of_github_and_from_no_others() -> None:
    assert place_of("me/shared") == Place("me", "shared")
    assert place_of("https://github.com/me/shared/tree/main/a/b") == Place(
        "me", "shared", "a/b", "main"
    )
    assert place_of("github.com/me/shared/blob/main/a.md") == Place("me", "shared", "a.md", "main")
    for text in (
        "me",
        "http://github.com/me/shared",
        "https://github.com.evil.example/me/shared",
        "https://me@github.com/me/shared",
        "https://raw.githubusercontent.com/me/shared/main/a",
        "file:///etc/passwd",
        "me/shared/../../x",
        "me/sha red",
        "me/%2e%2e/x?y",
        "https://[x",
    ):
        with pytest.raises(NotFetched):
            place_of(text)


def test_the_setting_takes_https_or_this_computer() -> None:
    assert GitHub.problem("https://github.example/api/v3") == ""
    assert GitHub.problem("http://127.0.0.1:8000") == ""
    for base in ("http://api.github.com", "https://u:p@x", "ftp://x", "https://x?y", "x"):
        assert GitHub.problem(base)
