"""A git server on loopback: `git http-backend`, with a login where a repository is private.

It runs in threads of the test, and notes what was asked of it.
"""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.copies import fill
from tests.support.plain_git import GIT

WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


@dataclass
class GitServer:
    """`root` holds the repositories, as `owner/name.git`; `url` is the server's."""

    root: Path
    url: str = ""
    login: tuple[str, str] | None = None
    """The user and the password that are asked for."""
    redirect: str = ""
    """The address of another server, to which all requests are sent."""
    authorizations: list[str] = field(default_factory=list)
    """What came as Authorization, decoded."""
    paths: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    """Where there is one, a pack is sent up to its middle, and on when it is set."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set when a pack is in its middle."""

    def repository(self, name: str, files: int = 1, branches: tuple[str, ...] = ()) -> Path:
        """Make a bare repository with a commit, and branches at it."""
        path = self.root / f"{name}.git"
        fill(path, _repository(files, branches))
        return path


@cache
def _repository(files: int, branches: tuple[str, ...]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        git(path, "init", "-q", "--bare", "-b", "main")
        git(path, "config", "http.receivepack", "true")
        commit(path, "main", {f"file-{n}.txt": f"text {n}\n" * 50 for n in range(files)})
        for branch in branches:
            git(path, "branch", branch, "main")

    return make


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What git prints, without any configuration of this machine."""
    return subprocess.run(
        [*GIT, *arguments],
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", **WHO},
        input=stdin,
        capture_output=True,
        check=True,
    ).stdout.decode()


def commit(bare: Path, branch: str, files: dict[str, str], message: str = "work") -> None:
    """Add a commit to a branch of a bare repository, without a working tree."""
    lines = [f"commit refs/heads/{branch}\ncommitter a <a@b> 1700000000 +0000\n"]
    lines.append(f"data {len(message.encode())}\n{message}\n")
    head = subprocess.run(
        [*GIT, "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
        cwd=bare,
        capture_output=True,
        check=False,
    ).stdout.decode()
    if head:
        lines.append(f"from {head.strip()}\n")
    for name, text in files.items():
        lines.append(f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n")
    git(bare, "fast-import", "--quiet", stdin="".join(lines).encode())


@contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    """A server for the repositories below a folder."""
    served = GitServer(root)
    handler = type("Handler", (_Handler,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            if served.hold:
                served.hold.set()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    served: GitServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        return

    def _serve(self) -> None:
        served = self.served
        served.paths.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        encoded = self.headers.get("Authorization", "").removeprefix("Basic ")
        given = base64.b64decode(encoded).decode()
        if given:
            served.authorizations.append(given)
        if served.redirect:
            self.send_response(301)
            self.send_header("Location", served.redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if served.login and given != ":".join(served.login):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(self._backend(body))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _backend(self, body: bytes) -> bytes:
        path, _, query = self.path.partition("?")
        return subprocess.run(
            ["/usr/bin/env", "git", "http-backend"],
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": "/nonexistent",
                "GIT_PROJECT_ROOT": str(self.served.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "a",
                "REMOTE_ADDR": "127.0.0.1",
            },
            input=body,
            capture_output=True,
            check=True,
        ).stdout

    def _answer(self, answer: bytes) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name not in ("Status", "Content-Length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        middle = len(body) // 2
        if self.served.hold and b"PACK" in body:
            self.wfile.write(body[:middle])
            self.wfile.flush()
            self.served.held.set()
            self.served.hold.wait(60)
            body = body[middle:]
        try:
            self.wfile.write(body)
        except OSError:  # who asked is gone
            self.close_connection = True
