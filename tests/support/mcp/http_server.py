"""An MCP server over streamable HTTP, which wants a token of its own authorization server."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.mcp.protocol import answer


class OAuthMcp(ThreadingHTTPServer):
    """The server: MCP at /mcp, without a token at /open; and its authorization server.

    `/authorize` redirects at once, as if the person had agreed. With `only_loopback`, the
    registration accepts redirects to loopback only.
    """

    daemon_threads = True
    host = "127.0.0.1"
    """The name under which it is reached."""

    def __init__(self, only_loopback: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.only_loopback = only_loopback
        self.clients: dict[str, list[str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OAuthMcp

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/.well-known/oauth-protected-resource"):
            url = self.server.url
            self._json(200, {"resource": f"{url}/mcp", "authorization_servers": [url]})
        elif parts.path.startswith("/.well-known/oauth-authorization-server"):
            self._json(200, self._metadata())
        elif parts.path == "/authorize":
            self._authorize({name: values[0] for name, values in parse_qs(parts.query).items()})
        else:
            self._json(405 if parts.path in ("/mcp", "/open") else 404, {})

    def do_DELETE(self) -> None:
        self._json(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path:
            case "/register":
                self._register(json.loads(body))
            case "/token":
                self._token({k: v[0] for k, v in parse_qs(body.decode()).items()})
            case "/open":
                self._mcp(body)
            case "/mcp" if self._bearer() in self.server.tokens:
                self._mcp(body)
            case "/mcp":
                address = f"{self.server.url}/.well-known/oauth-protected-resource"
                wanted = {"WWW-Authenticate": f'Bearer resource_metadata="{address}"'}
                self._json(401, {"error": "invalid_token"}, wanted)
            case _:
                self._json(404, {})

    def log_message(self, format: str, *args: Any) -> None:
        self.server.requests.append(format % args)

    def _metadata(self) -> dict[str, Any]:
        url = self.server.url
        return {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "registration_endpoint": f"{url}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    def _register(self, asked: dict[str, Any]) -> None:
        redirects = asked.get("redirect_uris", [])
        loopback = ("localhost", "127.0.0.1")
        ports = {urlsplit(each).path for each in redirects}
        if self.server.only_loopback and (
            any(urlsplit(each).hostname not in loopback for each in redirects)
            or ports != {"/callback"}
        ):
            self._json(400, {"error": "invalid_redirect_uri"})
            return
        client = secrets.token_hex(8)
        self.server.clients[client] = redirects
        self._json(201, {**asked, "client_id": client})

    def _authorize(self, asked: dict[str, str]) -> None:
        redirect = asked.get("redirect_uri", "")
        if redirect not in self.server.clients.get(asked.get("client_id", ""), []):
            self._json(400, {"error": "invalid_request"})
            return
        code = secrets.token_hex(8)
        self.server.codes[code] = asked
        to = f"{redirect}?{urlencode({'code': code, 'state': asked.get('state', '')})}"
        self._json(302, {}, {"Location": to})

    def _token(self, asked: dict[str, str]) -> None:
        if asked.get("grant_type") == "authorization_code":
            given = self.server.codes.pop(asked.get("code", ""), None)
            digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if given is None or given["code_challenge"] != challenge:
                self._json(400, {"error": "invalid_grant"})
                return
        token = secrets.token_hex(16)
        self.server.tokens.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        self._json(200, {**answer, "refresh_token": secrets.token_hex(16)})

    def _bearer(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _mcp(self, body: bytes) -> None:
        response = answer(json.loads(body))
        self._json(200 if response else 202, response)

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def oauth_mcp(only_loopback: bool = False) -> Iterator[OAuthMcp]:
    """The server, on a free port of loopback."""
    with OAuthMcp(only_loopback) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
