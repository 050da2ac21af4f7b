"""A proxy on loopback that stands in for hosts of the internet, with a certificate of its own.

Programs that talk to fixed hosts only get it as their proxy, and its authority. Nothing is passed
on: no host is reached.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.support.environment import missing

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Asked:
    """A request: `POST`, `/v1/oauth/token`, its headers by their names in lower case, its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked], tuple[str, bytes]]
"""The status, such as `200 OK`, and a JSON text."""


class TlsProxy:
    """The proxy; `authority` is the certificate that its clients have to trust."""

    def __init__(self, folder: Path, hosts: Sequence[str], answer: Answer) -> None:
        """`folder` gets the certificates."""
        self.authority = folder / "ca.pem"
        self._answer = answer
        _make_certificates(folder, hosts)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def address(self) -> str:
        """What clients are given as their proxy."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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
                    status, content = self._answer(_asked(line, stream))
                    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    secure.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
                    secure.sendall(content)


def _asked(line: bytes, stream: BinaryIO) -> Asked:
    method, path, _ = line.decode().split()
    headers: dict[str, str] = {}
    while header := stream.readline().strip():
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    return Asked(method, path, headers, stream.read(int(headers.get("content-length", 0))))


@contextlib.contextmanager
def serving(proxy: TlsProxy) -> Iterator[None]:
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield
    finally:
        proxy.close()


def _make_certificates(folder: Path, hosts: Sequence[str]) -> None:
    program = shutil.which("openssl")
    if program is None:
        missing("openssl", "install it")
    (folder / "names").write_text(f"subjectAltName={','.join(f'DNS:{host}' for host in hosts)}")
    made = ("-subj", "/CN=tests", "-keyout")
    for arguments in (
        ("req", "-x509", *_KEY, *made, "ca.key", "-out", "ca.pem", "-days", "2"),
        ("req", *_KEY, *made, "server.key", "-out", "server.csr"),
        ("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key")
        + ("-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names"),
    ):
        subprocess.run([str(program), *arguments], cwd=folder, check=True, capture_output=True)
