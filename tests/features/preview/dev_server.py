"""A dev server for the tests: pages with absolute addresses, every kind of answer, a WebSocket.

Arguments: the address and the port to listen on, and a folder: `page.html` in it is shown at /page,
and `events-ended` and `socket-ended` are written there. It returns what it was asked, at /echo.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simple_websocket import ConnectionClosed, Server

PAGE = """<!doctype html><title>Shop</title><link rel="icon" href="data:,">
<h1 id="said">waiting</h1><script type="module" src="/src/main.js"></script>"""
SCRIPT = """import {greeting} from "/src/words.js";
const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/hmr`);
socket.onopen = () => socket.send(greeting);
socket.onmessage = (message) => { document.getElementById("said").textContent = message.data; };
"""
WORDS = 'export const greeting = "hello from a module";'
RELATIVE = """<!doctype html><title>Report</title><link rel="icon" href="data:,">
<h1 id="said">waiting</h1><script type="module" src="src/relative.js"></script>"""
RELATIVE_SCRIPT = """const answer = await fetch("echo?from=sandbox", {method: "POST", body: "{}",
  headers: {"Content-Type": "application/json"}});
document.getElementById("said").textContent = `${(await answer.json()).method} ${self.origin}`;
"""
BIG = 8_000_000
FOLDER = Path(sys.argv[3]) if len(sys.argv) > 3 else Path()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.echo_frames()
            return
        match path.path:
            case "/":
                self.answer(PAGE, "text/html")
            case "/src/main.js":
                self.answer(SCRIPT, "text/javascript")
            case "/src/words.js":
                self.answer(WORDS, "text/javascript")
            case "/report/":
                self.answer(RELATIVE, "text/html")
            case "/report/src/relative.js":
                self.answer(RELATIVE_SCRIPT, "text/javascript")
            case "/page":
                self.answer((FOLDER / "page.html").read_text(), "text/html")
            case "/big":
                self.big()
            case "/events":
                self.events()
            case "/short":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"short")
                self.close_connection = True
            case "/go":
                self.send_response(302)
                self.send_header("Location", query["to"])
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "/cookies":
                self.send_response(200)
                for each in json.loads(query["set"]):
                    self.send_header("Set-Cookie", each)
                self.send_header("Clear-Site-Data", '"cookies"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            case _:
                self.echo()

    def do_POST(self) -> None:
        self.echo()

    def echo(self) -> None:
        size, seen = 0, hashlib.sha256()
        for piece in self.body():
            size += len(piece)
            seen.update(piece)
        found = {
            "method": self.command,
            "path": self.path,
            "headers": [[name, value] for name, value in self.headers.items()],
            "size": size,
            "sha256": seen.hexdigest(),
        }
        self.answer(json.dumps(found), "application/json")

    def body(self) -> Any:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
            yield piece

    def answer(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def big(self) -> None:
        """40 MB, or a range of them: each byte says where it is."""
        first, last = 0, BIG - 1
        wanted = self.headers.get("Range", "")
        if wanted:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{BIG}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "HEAD":
            return
        pattern = bytes(range(250)) * 400
        at = first
        while at <= last:
            piece = pattern[at % 250 :][: last - at + 1]
            self.wfile.write(piece)
            at += len(piece)

    def events(self) -> None:
        """One event, and then silence until the other side has gone, which a file shows."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"9\r\ndata: 1\n\n\r\n")
        self.connection.recv(1)
        (FOLDER / "events-ended").touch()
        self.close_connection = True

    def echo_frames(self) -> None:
        environ = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in self.headers.items()}
        environ["werkzeug.socket"] = self.connection
        try:
            ws = Server.accept(environ)
            while True:
                said = ws.receive()
                if said == "headers":
                    said = json.dumps(list(self.headers.items()))
                ws.send(said)
        except ConnectionClosed:
            (FOLDER / "socket-ended").touch()
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


for _method in ("PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
    setattr(Handler, f"do_{_method}", Handler.do_POST)
Handler.do_HEAD = Handler.do_GET  # type: ignore[attr-defined]


class OfV6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


if __name__ == "__main__":
    address, port = sys.argv[1], int(sys.argv[2])
    kind = OfV6 if ":" in address else ThreadingHTTPServer
    kind((address, port), Handler).serve_forever()
