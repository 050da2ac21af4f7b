"""A WebSocket client that misbehaves as no library does: malformed frames, and silence."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator

from tests.support.environment import PASSWORD, PATIENCE, USER
from tests.support.server import Server

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


class Closed(Exception):
    """The server has closed the connection without a close frame."""


class RawSocket:
    """Logged in by Basic, as scripts are."""

    def __init__(self, server: Server, path: str, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.set_receive_buffer(receive_buffer)
        self.socket.connect(("127.0.0.1", server.port))
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: Basic {credentials}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self._read = b""
        head = self._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    def send(self, opcode: int, payload: bytes = b"", *, first: int = 0x80, mask: int = 1) -> None:
        """`first` holds the FIN and RSV bits, `mask` is 0 for a frame as only servers send it."""
        size = len(payload)
        if size < 126:
            length = bytes((mask << 7 | size,))
        elif size < 1 << 16:
            length = bytes((mask << 7 | 126,)) + struct.pack("!H", size)
        else:
            length = bytes((mask << 7 | 127,)) + struct.pack("!Q", size)
        key = b"\0\0\0\0" if mask else b""
        self.socket.sendall(bytes((first | opcode,)) + length + key + payload)

    def frame(self) -> tuple[int, bytes]:
        """The next frame. Raises Closed."""
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(size)

    def texts(self) -> Iterator[str]:
        """The text messages, up to the close."""
        with contextlib.suppress(Closed):
            while (frame := self.frame())[0] != CLOSE:
                if frame[0] == TEXT:
                    yield frame[1].decode()

    def until(self, words: str) -> str:
        """Read until a message holds these words; that message."""
        return next(text for text in self.texts() if words in text)

    def close_code(self) -> int:
        """Read to the close frame, and give its code. Raises Closed when none comes."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                return int(struct.unpack("!H", payload[:2])[0])

    def set_receive_buffer(self, size: int) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    @property
    def port(self) -> int:
        """The client's."""
        port: int = self.socket.getsockname()[1]
        return port

    def vanish(self) -> None:
        """Drop all incoming packets, in the kernel already, so that none is acknowledged."""
        drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # a filter of one instruction: keep 0 bytes
        program = ctypes.create_string_buffer(drop_all)
        attach = struct.pack("HL", 1, ctypes.addressof(program))
        self.socket.setsockopt(socket.SOL_SOCKET, 26, attach)  # SO_ATTACH_FILTER

    def close(self) -> None:
        self.socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            self._receive()
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._receive()
        head, _, self._read = self._read.partition(mark)
        return head

    def _receive(self) -> None:
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionError as error:
            raise Closed from error
        if not piece:
            raise Closed
        self._read += piece
