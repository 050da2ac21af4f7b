"""The socket of a terminal: cursors, several viewers, slow ones, and servers that are killed."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import websocket

from opcode_htmx.features.terminal.live import READ_BYTES, WINDOW
from opcode_htmx.lib.pty import segments
from tests.support.environment import basic_header, until
from tests.support.server import Server
from tests.support.terminals import kill_terminals

pytestmark = pytest.mark.timeout(120)

Start = Callable[[], str]


@pytest.fixture
def start(shared_server: Server) -> Iterator[Start]:
    """Opens a terminal; gives its id."""
    home = shared_server.sandbox.home
    (home / ".bash_profile").write_text("PS1='$ '\nbind 'set enable-bracketed-paste off'\n")
    shared_server.ensure_started()

    def begin() -> str:
        form = {"program": "shell", "folder": str(shared_server.sandbox.project)}
        return shared_server.post("/terminal", form).headers["Location"].rpartition("/")[2]

    yield begin
    while Viewer.open:
        Viewer.open.pop().shutdown()
    kill_terminals(shared_server.sandbox.state / "terminals")


class Viewer:
    """A page, as far as its socket goes. It shows what it gets at once unless it is `slow`."""

    open: ClassVar[list[Any]] = []
    """The sockets, for the fixture to close."""

    def __init__(
        self, server: Server, terminal: str, cursor: int | None = None, *, slow: bool = False
    ) -> None:
        header = [f"{name}: {value}" for name, value in basic_header().items()]
        url = f"{server.url.replace('http', 'ws', 1)}/terminal/{terminal}/live"
        url += "" if cursor is None else f"?cursor={cursor}"
        self.ws: Any = websocket.create_connection(
            url, header=header, suppress_origin=True, timeout=30
        )
        self.open.append(self.ws)
        self.slow = slow
        self.cursor = cursor or 0
        self.letters = ""
        self.text = b""
        self.sizes: list[tuple[int, int]] = []
        self.received = 0
        self.took = 0
        self.code = 0

    def step(self) -> bool:
        """Take one message; whether there was one before the socket was closed."""
        kind, data = self.ws.recv_data()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            self.code = struct.unpack(">H", data[:2])[0]
            return False
        if kind == websocket.ABNF.OPCODE_TEXT:
            self.took = json.loads(data).get("took", self.took)
            return True
        letter, cursor = struct.unpack_from(">cd", data)
        content = data[9:]
        self.letters += letter.decode()
        self.received += len(content)
        if letter == b"S":
            self.text = b""
        if letter in (b"S", b"R"):
            self.sizes.append(struct.unpack_from(">HH", content))
        if letter == b"D":
            self.text += content
        self.cursor = int(cursor)
        if not self.slow:
            self.say(seen=self.cursor)
        return True

    def say(self, **message: object) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.ws.send(json.dumps(message))

    def type(self, text: str | bytes) -> None:
        self.ws.send_binary(text.encode() if isinstance(text, str) else text)

    def shows(self, words: bytes) -> None:
        """Take messages until `words` are in the text; at a new size a shell repeats its prompt."""
        while words not in self.text:
            assert self.step(), f"closed with {self.code} after {self.text[-200:]!r}"

    def until(self, words: bytes) -> bytes:
        """Take messages until the text ends with `words`."""
        while not self.text.endswith(words):
            assert self.step(), f"closed with {self.code} after {self.text[-200:]!r}"
        return self.text

    def until_closed(self) -> int:
        while self.step():
            pass
        return self.code


def test_two_viewers_see_the_same_and_a_cursor_goes_on(shared_server: Server, start: Start) -> None:
    terminal = start()
    one, two = Viewer(shared_server, terminal), Viewer(shared_server, terminal)
    one.until(b"$ ")
    one.type("echo $((6*7))\r")
    assert one.until(b"42\r\n$ ") == two.until(b"42\r\n$ ")
    assert (one.letters[0], one.letters.count("S")) == ("S", 1)
    cursor = one.cursor
    one.ws.close()
    two.type("echo äpfel\r")
    two.until("äpfel\r\n$ ".encode())
    again = Viewer(shared_server, terminal, cursor)
    assert again.until(b"$ ").decode() == "echo äpfel\r\näpfel\r\n$ "
    assert "S" not in again.letters


def test_the_size_comes_in_the_order_of_the_output(shared_server: Server, start: Start) -> None:
    viewer = Viewer(shared_server, start())
    viewer.until(b"$ ")
    viewer.say(size=[256, 70])
    viewer.type("stty size\r")
    viewer.shows(b"70 256\r\n")
    assert viewer.sizes == [(80, 24), (256, 70)]
    for wrong in ([0, -1], ["a", 2], [10**30, 10**30], [], "80x24"):
        viewer.say(size=wrong)
    viewer.say(seen=10**30)
    viewer.ws.send("no json")
    viewer.type("echo $((6*7))\r")
    viewer.shows(b"42\r\n")
    assert viewer.sizes == [(80, 24), (256, 70)]


def test_the_end_is_told_and_the_page_does_not_reconnect(
    shared_server: Server, start: Start
) -> None:
    viewer = Viewer(shared_server, start())
    viewer.until(b"$ ")
    viewer.type("exit 3\r")
    assert viewer.until_closed() == 1000
    assert viewer.letters[-1] == "E"
    late = Viewer(shared_server, start())
    late.until(b"$ ")


def test_an_ended_terminal_is_still_shown(shared_server: Server, start: Start) -> None:
    terminal = start()
    viewer = Viewer(shared_server, terminal)
    viewer.until(b"$ ")
    viewer.type("echo $((6*7)); exit\r")
    viewer.until_closed()
    late = Viewer(shared_server, terminal)
    assert late.until_closed() == 1000
    assert late.text == viewer.text


@pytest.mark.parametrize("terminal", ["1" * 32, "x"])
def test_the_socket_of_an_unknown_terminal_is_refused_for_good(
    shared_server: Server, start: Start, terminal: str
) -> None:
    assert Viewer(shared_server, terminal).until_closed() == 1008


def test_a_wrong_cursor_gets_a_fresh_screen(shared_server: Server, start: Start) -> None:
    terminal = start()
    Viewer(shared_server, terminal).until(b"$ ")
    for cursor in (3, 10**12):
        viewer = Viewer(shared_server, terminal, cursor)
        viewer.until(b"$ ")
        assert viewer.letters[0] == "S"


def test_a_viewer_that_shows_nothing_gets_a_window_and_no_more(
    shared_server: Server, start: Start
) -> None:
    terminal = start()
    slow, fast = Viewer(shared_server, terminal, slow=True), Viewer(shared_server, terminal)
    fast.until(b"$ ")
    fast.type("yes 'apple pie with cream' | head -c 3000000; echo over\r")
    fast.until(b"over\r\n$ ")
    slow.ws.settimeout(1)
    with contextlib.suppress(websocket.WebSocketTimeoutException):
        while slow.received < 2_000_000:
            slow.step()
    assert slow.received <= WINDOW + READ_BYTES
    # It looks again: what it lacks is not kept any more, so it gets a fresh screen
    slow.ws.settimeout(30)
    slow.slow = False
    slow.say(seen=slow.cursor)
    text = slow.until(b"over\r\n$ ")
    assert slow.letters.count("S") == 2
    assert text == fast.text[-len(text) :]
    assert len(text) <= segments.MOST_BYTES


def test_a_paste_of_megabytes_arrives_whole(shared_server: Server, start: Start) -> None:
    viewer = Viewer(shared_server, start())
    viewer.until(b"$ ")
    data = b"apple pie, with sugar and cream\n" * (3_000_000 // 32)
    viewer.type(f"stty raw -echo; head -c {len(data)} > pasted; stty sane; echo got it\r")
    pasted = shared_server.sandbox.project / "pasted"
    until(pasted.exists, "the program reads")
    begun = viewer.took
    sent = 0
    while sent < len(data):
        while sent - (viewer.took - begun) < 64 * 1024 and sent < len(data):
            viewer.type(data[sent : sent + 16 * 1024])
            sent += 16 * 1024
        assert viewer.step()
    viewer.until(b"got it\r\n$ ")
    assert pasted.read_bytes() == data
    pasted.unlink()


def test_a_terminal_outlives_a_killed_server(shared_server: Server, start: Start) -> None:
    terminal = start()
    viewer = Viewer(shared_server, terminal)
    viewer.until(b"$ ")
    viewer.type("for i in $(seq 60); do echo line $i; sleep 0.05; done; echo over\r")
    viewer.until(b"line 3\r\n")
    shared_server.kill()
    shared_server.start()
    again = Viewer(shared_server, terminal, viewer.cursor)
    text = (viewer.text + again.until(b"over\r\n$ ")).decode()
    assert text.count("line 60\r\n") == 1
    assert [f"line {number}\r\n" in text for number in range(1, 61)] == [True] * 60
    assert "S" not in again.letters
