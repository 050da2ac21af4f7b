"""A scripted GitHub API on loopback: paging, refusals, and slowness."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class GitHubApi:
    """What it answers, and what it was asked."""

    repositories: list[dict[str, Any]] = field(default_factory=list)
    token: str = ""
    """The token that is asked for."""
    status: int = 200
    """Another one is the answer to everything."""
    rate_limited: bool = False
    hold: threading.Event | None = None
    url: str = ""
    paths: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)


def repository(name: str, **changes: Any) -> dict[str, Any]:
    """A repository as GitHub describes it, as far as it is read."""
    return {
        "full_name": name,
        "name": name.partition("/")[2],
        "description": "Grows apples",
        "private": False,
        "fork": False,
        "archived": False,
        "pushed_at": "2026-03-01T12:00:00Z",
        "size": 120,
        **changes,
    }


@contextmanager
def github_api() -> Iterator[GitHubApi]:
    api = GitHubApi()
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}/api/v3"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield api
        finally:
            if api.hold:
                api.hold.set()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    api: GitHubApi

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        api = self.api
        api.paths.append(self.path)
        api.authorizations.add(self.headers.get("Authorization", ""))
        if api.hold:
            api.hold.wait(60)
        if api.rate_limited:
            self._send(403, {"message": "API rate limit exceeded for user"})
        elif api.status != 200:
            self._send(api.status, {"message": "No"})
        elif api.token and self.headers.get("Authorization") != f"token {api.token}":
            self._send(401, {"message": "Bad credentials"})
        else:
            query = parse_qs(urlsplit(self.path).query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            self._send(200, api.repositories[size * (page - 1) : size * page])

    def _send(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True
