"""Many, slow, vanished or hostile viewers affect no other client, and leak nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from opcode_htmx.web.websocket.registry import MAX_MESSAGE_BYTES
from tests.features.session_page.test_live_updates import begin
from tests.support.clients.json_client import connected
from tests.support.clients.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Closed,
    RawSocket,
)
from tests.support.environment import (
    Sandbox,
    Server,
    until,
    write_stand_in,
)
from tests.support.pages import dom

PATIENCE = 2
"""Seconds for which a viewer of these tests' server may take nothing."""
SOON = 10.0
SECONDS_OF_NOISE = 10.0

linux = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")


class CountingServer(Server):
    """A server that reports its greenlets and its heap."""

    app = "tests.support.apps.counting:app"

    @property
    def worker(self) -> psutil.Process:
        (worker,) = self.worker_processes()
        return worker

    def counts(self) -> tuple[int, int]:
        """Greenlets and descriptors, the connection that asks for them not included."""
        greenlets: int = self.get("/greenlets").json()["count"]
        return greenlets, self.worker.num_fds()

    def heap(self) -> int:
        """Bytes that the worker's objects use."""
        used: int = self.get("/heap").json()["bytes"]
        return used

    def returns_to(self, before: tuple[int, int]) -> None:
        def has_returned() -> bool:
            return all(now <= then for now, then in zip(self.counts(), before, strict=True))

        until(has_returned, f"as few as before, {before}: there are {self.counts()}")


@pytest.fixture(scope="module")
def server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingServer]:
    folder = tmp_path_factory.mktemp("hostile")
    sandbox, claude = Sandbox(folder / "home").make(), write_stand_in(folder / "claude")
    settings = {"OPCODE_VIEWER_TIMEOUT": str(PATIENCE)}
    server = CountingServer(sandbox, claude, "http://127.0.0.1:9", **settings)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def raw(server: CountingServer) -> Iterator[Callable[..., RawSocket]]:
    """Opens raw sockets, and closes them at the end."""
    with ExitStack() as stack:

        def open_(path: str, **options: int) -> RawSocket:
            return stack.enter_context(closing(RawSocket(server, path, **options)))

        yield open_


def addresses(server: Server) -> dict[str, str]:
    """The page's socket and the two of programs, of one session that runs."""
    page = begin(server, "hello")
    return {
        "page": f"{page}/live",
        "commands": "/ws/claude",
        "chat": f"/api/claude/sessions/{page.rpartition('/')[2]}/chat",
    }


@pytest.fixture(scope="module")
def sockets(server: CountingServer) -> dict[str, str]:
    return addresses(server)


Open = Callable[..., RawSocket]


# --- many -----------------------------------------------------------------------------------


def test_200_viewers_of_one_run_see_the_same_page(
    server: CountingServer, raw: Open, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["wait", str(gate)], ["lines", 200], ["text", "the end"]])
    raw(f"{path}/live").until('id="cursor"')
    before = server.counts()
    viewers = [raw(f"{path}/live") for _ in range(200)]
    first = [viewer.until('id="cursor"') for viewer in viewers]
    gate.touch()
    seen = set()
    for viewer, message in zip(viewers, first, strict=True):
        messages = [message]
        while "Ready for the next prompt" not in messages[-1]:
            messages.append(next(viewer.texts()))
        seen.add(tuple(messages))
        viewer.close()
    (page,) = {transcript(messages) for messages in seen}
    for said in ("line 0", "line 199", "the end"):
        assert page.count(f">{said}</p>") == 1
    server.returns_to(before)


def transcript(messages: Iterable[str]) -> str:
    """The content of a page after these messages."""
    page = dom.parse('<div id="transcript"></div>')
    for message in messages:
        for element in dom.parse(message).elements:
            if element.tag == "hx-upsert":
                dom.apply(page, str(element))
    return str(page)


# --- slow and gone --------------------------------------------------------------------------


LARGE_ANSWER = 20 * 400_000


@dataclass(frozen=True)
class LargeAnswer:
    """A session that says `LARGE_ANSWER` characters and "first end", and later "second end"."""

    path: str
    gates: tuple[Path, Path]


def large_answer(server: Server, folder: Path) -> LargeAnswer:
    folder.mkdir()
    gates = (folder / "one", folder / "two")
    steps: list[list[object]] = [
        ["wait", str(gates[0])],
        *[["big", 400_000]] * 20,
        ["text", "first end"],
    ]
    path = begin(server, [*steps, ["wait", str(gates[1])], ["text", "second end"]])
    return LargeAnswer(path, gates)


@linux
def test_viewers_that_stop_reading_are_dropped_at_no_cost_to_others(
    server: CountingServer, raw: Open, tmp_path: Path
) -> None:
    other = begin(server, "another session")
    answer = large_answer(server, tmp_path / "frozen")
    quick = raw(f"{answer.path}/live")
    quick.until('id="cursor"')
    before, heap = server.counts(), server.heap()
    frozen = [raw(f"{answer.path}/live", receive_buffer=4096) for _ in range(10)]
    answer.gates[0].touch()
    quick.until(">first end</p>")
    began = time.monotonic()
    raw(f"{other}/live").until(">another session</p>")
    assert time.monotonic() - began < SECONDS_OF_NOISE
    # The answer is kept a few times over, and each message once for all of its viewers
    assert server.heap() - heap < len(frozen) * LARGE_ANSWER
    answer.gates[1].touch()
    quick.until(">second end</p>")
    # The rest is the page of the other session (its socket, its viewer's greenlet), and what the
    # server has begun by itself meanwhile, to look for dev servers for one
    rest = len(frozen) // 2
    until(lambda: server.counts()[1] < before[1] + rest, "the frozen viewers are dropped", 30)
    for viewer in frozen:
        viewer.set_receive_buffer(1 << 20)  # what the kernel holds would trickle through 4 KB
        with pytest.raises(Closed):  # cut off in the middle of a frame, never garbled
            while viewer.frame():
                pass


@linux
def test_messages_of_viewers_that_have_left_are_not_kept(
    server: CountingServer, raw: Open, tmp_path: Path
) -> None:
    answer = large_answer(server, tmp_path / "large")
    answer.gates[0].touch()
    stays = raw(f"{answer.path}/live")
    stays.until(">first end</p>")
    heap = server.heap()
    for number in range(10):  # each needs a message of its own
        viewer = raw(f"{answer.path}/live?cursor=9:{number}:0")
        viewer.until(">first end</p>")
        viewer.close()
    until(lambda: server.heap() - heap < 2 * LARGE_ANSWER, "their messages are released")
    answer.gates[1].touch()
    stays.until(">second end</p>")


@linux
def test_silently_vanished_viewer_is_dropped(
    server: CountingServer, raw: Open, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["wait", str(gate)], ["text", "more"]])
    viewer = raw(f"{path}/live")
    viewer.until('id="cursor"')
    before = server.counts()
    vanished = raw(f"{path}/live")
    vanished.until('id="cursor"')
    vanished.vanish()
    gate.touch()  # only a client that is sent something can fail to acknowledge it
    viewer.until(">more</p>")
    server.returns_to(before)


def test_viewers_that_leave_leak_nothing(server: CountingServer, raw: Open) -> None:
    path = begin(server, "hello")
    raw(f"{path}/live").until("block-text")
    session_id = path.rpartition("/")[2]
    before = server.counts()
    for how in ("says goodbye", "just goes"):
        several = [raw(f"{path}/live") for _ in range(10)]
        several += [raw(f"/api/claude/sessions/{session_id}/chat") for _ in range(10)]
        for viewer in several:
            viewer.frame()
            if how == "says goodbye":
                viewer.send(CLOSE, b"\x03\xe8")
                assert viewer.close_code() == 1000
            viewer.close()
    with connected(server) as client:
        client.send(command_type="attach", session_id=session_id)
        client.until("output")
    server.returns_to(before)


# --- hostile --------------------------------------------------------------------------------

TOO_LARGE = b"x" * (MAX_MESSAGE_BYTES + 1)

FRAMES = {
    "a frame without a mask": (1002, [(TEXT, b"{}", 0x80, 0)]),
    "an opcode that there is not": (1002, [(5, b"", 0x80, 1)]),
    "reserved bits": (1002, [(TEXT, b"{}", 0xF0, 1)]),
    "a continuation of nothing": (1002, [(CONTINUATION, b"{}", 0x80, 1)]),
    "a message within a message": (1002, [(TEXT, b"{", 0, 1), (TEXT, b"}", 0x80, 1)]),
    "a ping in pieces": (1002, [(PING, b"", 0, 1)]),
    "a ping that is too long": (1002, [(PING, b"x" * 126, 0x80, 1)]),
    "text that is no UTF-8": (1007, [(TEXT, b"\xff\xfe", 0x80, 1)]),
    "a message that is too large": (1009, [(TEXT, TOO_LARGE, 0x80, 1)]),
    "the same in pieces": (
        1009,
        [(TEXT, TOO_LARGE[:-9], 0, 1), (CONTINUATION, TOO_LARGE[:99], 0x80, 1)],
    ),
}


@pytest.mark.parametrize("which", ["page", "commands", "chat"])
@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES.keys())
def test_invalid_frames_close_the_socket_with_the_right_code(
    raw: Open,
    sockets: dict[str, str],
    which: str,
    frames: tuple[int, list[tuple[int, bytes, int, int]]],
) -> None:
    code, sent = frames
    hostile, other = raw(sockets[which]), raw(sockets["page"])
    hostile.frame()
    for opcode, payload, first, mask in sent:
        hostile.send(opcode, payload, first=first, mask=mask)
    assert hostile.close_code() == code
    other.until("block-text")


@pytest.mark.parametrize("which", ["commands", "chat"])
def test_binary_message_is_read_as_text(raw: Open, sockets: dict[str, str], which: str) -> None:
    program = raw(sockets[which])
    if which == "commands":
        program.send(TEXT, json.dumps({"command_type": "explode"}).encode())
        program.until("must be one of")
    program.send(BINARY, b"\xff\xfe")
    program.until("This is not JSON")


def test_frame_flood_delays_no_other_client(
    server: CountingServer, raw: Open, sockets: dict[str, str]
) -> None:
    hostile = raw(sockets["page"])
    ping = b"\x89\x80\0\0\0\0"
    hostile.socket.setblocking(False)
    waited = []
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            for _ in range(20):
                hostile.socket.send(ping * 10_000)
        except BlockingIOError:
            pass
        began = time.monotonic()
        assert server.get("/healthz").ok
        waited.append(time.monotonic() - began)
    assert sorted(waited)[len(waited) // 2] < 1.0


def test_unread_messages_are_not_queued_without_bound(
    server: CountingServer, raw: Open, sockets: dict[str, str]
) -> None:
    """While a command is carried out, its socket reads only so much ahead."""
    hostile = raw(sockets["commands"])
    memory = server.worker.memory_info().rss
    command = json.dumps({"command_type": "explode", "x": "y" * 1_000_000}).encode()
    hostile.socket.settimeout(1)
    with contextlib.suppress(TimeoutError):
        for _ in range(300):  # of 1 MB; the answers are not read either
            hostile.send(TEXT, command)
    assert server.get("/healthz").ok
    assert server.worker.memory_info().rss - memory < 150_000_000


# --- requests that do not come to their end -------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser=",
    ],
    ids=["headers", "body"],
)
def test_endless_requests_delay_no_other_client(server: CountingServer, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            slow.sendall(begun)
        began = time.monotonic()
        for _ in range(3):
            assert server.get("/healthz").ok
        assert time.monotonic() - began < SECONDS_OF_NOISE


def test_shutdown_does_not_wait_for_frozen_viewers(
    stand_in: Path, start_server: Callable[..., Server], sandbox: Sandbox, tmp_path: Path
) -> None:
    server = start_server(sandbox, stand_in)
    steps: list[list[object]] = [["wait", str(tmp_path / "gate")], *[["big", 400_000]] * 40]
    path = begin(server, [*steps, ["text", "the end"]])
    with (
        closing(RawSocket(server, f"{path}/live", receive_buffer=4096)),
        closing(RawSocket(server, f"{path}/live")) as well,
    ):
        (tmp_path / "gate").touch()
        well.until(">the end</p>")
        began = time.monotonic()
        psutil.Process(server.pid).terminate()
        assert well.close_code() == 1012
        assert time.monotonic() - began < SECONDS_OF_NOISE
        assert server.stop() == 0
