"""Many, slow and vanished viewers affect no other client, and leak nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.features.session_page.test_live_updates import begin
from tests.support.clients.json_client import connected
from tests.support.clients.raw_socket import CLOSE, Closed
from tests.support.environment import until
from tests.support.pages import dom
from tests.support.server import Server
from tests.web.websocket.hostile.counting_server import SECONDS_OF_NOISE, CountingServer, Open

linux = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")

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
    heap = server.heap()
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
    until(lambda: not server.serves(frozen), "the frozen viewers are dropped")
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
    for number in range(5):  # each needs a message of its own
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
