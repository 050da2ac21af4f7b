"""A proxy on loopback that stands in for Anthropic's log-in; the real CLI logs in at it.

The CLI exchanges codes with fixed hosts only, so it gets this as its proxy, with a certificate of
the tests' own authority. Nothing is passed on: no host is reached.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.environment import missing

CODE = "good-code"
"""The code that is accepted."""
HOSTS = ("platform.claude.com", "api.anthropic.com")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_ACCOUNT = {"uuid": "11111111-1111-4111-8111-111111111111", "email": "ann@example.org"}
_ORGANIZATION = {"uuid": "22222222-2222-4222-8222-222222222222", "name": "Orchard"}
_ANSWERS: dict[str, dict[str, Any]] = {
    "POST /v1/oauth/token": {
        "access_token": "at-t0p-secret",
        "refresh_token": "rt-t0p-secret",
        "expires_in": 28800,
        "scope": "user:profile user:inference",
        "token_type": "Bearer",
        "account": {"uuid": _ACCOUNT["uuid"], "email_address": _ACCOUNT["email"]},
        "organization": _ORGANIZATION,
    },
    "POST /v1/oauth/token/revoke": {},
    "GET /api/oauth/profile": {
        "account": {**_ACCOUNT, "display_name": "Ann", "has_claude_max": True},
        "organization": {**_ORGANIZATION, "organization_type": "claude_max"},
    },
    "GET /api/oauth/claude_cli/roles": {"organization_name": _ORGANIZATION["name"]},
}


class LoginServer:
    """The proxy; `requests` are those it got, such as `POST /v1/oauth/token`."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the certificates."""
        self.requests: list[str] = []
        self.authority = folder / "ca.pem"
        _make_certificates(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def variables(self) -> dict[str, str]:
        """The environment that sends a CLI here."""
        port = self._listener.getsockname()[1]
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "NODE_EXTRA_CA_CERTS": str(self.authority),
        }

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # once it is closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(connection,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _tunnel(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError), connection:
            lines = connection.makefile("rb")
            while lines.readline().strip():
                pass
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with self._context.wrap_socket(connection, server_side=True) as secure:
                stream = secure.makefile("rb")
                while line := stream.readline():
                    secure.sendall(self._answer(line.decode(), stream))

    def _answer(self, line: str, stream: Any) -> bytes:
        length = 0
        while header := stream.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        body = stream.read(length)
        request = " ".join(line.split()[:2])
        self.requests.append(request)
        answer = _ANSWERS.get(request)
        if request == "POST /v1/oauth/token" and json.loads(body).get("code") != CODE:
            answer = None
        content = json.dumps({"error": "invalid_grant"} if answer is None else answer).encode()
        status = "400 Bad Request" if answer is None else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@contextlib.contextmanager
def login_server(folder: Path) -> Iterator[LoginServer]:
    server = LoginServer(folder)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.close()


def _make_certificates(folder: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        missing("openssl", "install it")
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    (folder / "names").write_text(f"subjectAltName={names}")
    made = ("-subj", "/CN=tests", "-keyout")
    for arguments in (
        ("req", "-x509", *_KEY, *made, "ca.key", "-out", "ca.pem", "-days", "2"),
        ("req", *_KEY, *made, "server.key", "-out", "server.csr"),
        ("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key")
        + ("-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names"),
    ):
        subprocess.run([str(program), *arguments], cwd=folder, check=True, capture_output=True)
