"""The floor of a page: its text as plain HTML without style or script, from a plain file server.

As a command it serves the given file, gzipped once, and prints its port.
"""

from __future__ import annotations

import contextlib
import gzip
import sys
from html import escape
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEPT = frozenset(
    {"h1", "h2", "h3", "h4", "p", "pre", "ul", "ol", "li", "code", "strong", "em", "table", "tr"}
    | {"th", "td", "details", "summary", "article"}
)

TRANSCRIPT = "section", "transcript"
"""The element of a session page with its messages."""
MAIN = "main", "main"
"""That of any page with what is particular to it."""


def bare(page: str, element: tuple[str, str] = TRANSCRIPT) -> str:
    """What an element of a page shows, as HTML of text elements without attributes.

    `element` is its tag and its id; it has none of its kind inside.
    """
    reader = _Reader(*element)
    reader.feed(page)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return f"<!doctype html><html><head>{head}<title>Bare</title></head>{reader.body()}</html>"


class _Reader(HTMLParser):
    def __init__(self, tag: str, id_: str) -> None:
        super().__init__()
        self._tag, self._id = tag, id_
        self._pieces: list[str] = []
        self._inside = False

    def body(self) -> str:
        return f"<body>{''.join(self._pieces)}</body>"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == self._tag and ("id", self._id) in attrs:
            self._inside = True
        elif self._inside and tag in KEPT:
            self._pieces.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._tag:
            self._inside = False
        elif self._inside and tag in KEPT:
            self._pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._pieces.append(escape(data, quote=False))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    body = b""

    def do_GET(self) -> None:
        if self.path != "/":  # the browser asks for a /favicon.ico
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the page was left
            self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(path: Path) -> None:
    _Handler.body = gzip.compress(path.read_bytes(), 9, mtime=0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
