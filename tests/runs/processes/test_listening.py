"""The ports that processes listen on: found, told apart, and known again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from opcode_htmx.lib.process_identity import HAS_PROC
from opcode_htmx.runs.processes import listening, process_table, sock_diag
from opcode_htmx.runs.processes.listening import Listener
from opcode_htmx.runs.processes.process_table import Row

LISTENS = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))
print(listener.getsockname()[1], flush=True)
for line in sys.stdin:
    if line == "close\\n":
        listener.close()
        print("closed", flush=True)
"""


@contextmanager
def process(address: str, family: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that listens on a port of an address, which closes it on request."""
    command = [sys.executable, "-c", LISTENS, address, str(int(family))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout
        yield started, int(started.stdout.readline())
        started.kill()


def row_of(pid: int) -> Row:
    row = process_table.read(pid)
    assert row
    return row


def found_of(pid: int) -> list[Listener]:
    return listening.find([row_of(pid)])


@pytest.mark.parametrize(
    ("bound", "family", "reached"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
    ],
)
def test_a_port_is_found_with_the_address_that_reaches_it(
    bound: str, family: int, reached: str
) -> None:
    with process(bound, family) as (started, port):
        (listener,) = found_of(started.pid)
        assert (listener.port, listener.address, listener.key.pid) == (port, reached, started.pid)
        assert listening.still_listens(listener)


def test_a_port_of_another_process_is_not_found() -> None:
    with process("127.0.0.1", socket.AF_INET):
        assert found_of(os.getpid()) == listening.find([row_of(os.getpid())])
        with process("127.0.0.1", socket.AF_INET) as (other, port):
            assert [each.port for each in found_of(other.pid)] == [port]


def test_a_closed_port_listens_no_more_and_neither_does_one_whose_process_has_ended() -> None:
    with ExitStack() as stack:
        started, _ = stack.enter_context(process("127.0.0.1", socket.AF_INET))
        (listener,) = found_of(started.pid)
        assert started.stdin
        assert started.stdout
        started.stdin.write("close\n")
        started.stdin.flush()
        assert started.stdout.readline() == "closed\n"
        assert not listening.still_listens(listener)
        assert found_of(started.pid) == []

        other, _ = stack.enter_context(process("127.0.0.1", socket.AF_INET))
        (listener,) = found_of(other.pid)
        other.kill()
        other.wait()
        assert not listening.still_listens(listener)


def test_a_port_that_another_socket_of_the_same_number_took_is_another_one() -> None:
    with process("127.0.0.1", socket.AF_INET) as (started, _):
        (listener,) = found_of(started.pid)
        assert not listening.still_listens(listener._replace(inode=listener.inode + 1))
        key = listener.key._replace(started=listener.key.started + 1)
        assert not listening.still_listens(listener._replace(key=key))


@pytest.mark.skipif(not HAS_PROC, reason="is about Linux")
def test_the_kernel_and_its_files_list_the_same_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def ours() -> dict[int, tuple[int, str]]:
        found = listening._listening_sockets()
        return {inode: place for inode, place in found.items() if place[0] in ports}

    with ExitStack() as stack:
        addresses = (("127.0.0.1", socket.AF_INET), ("0.0.0.0", socket.AF_INET))
        ports = [stack.enter_context(process(*each))[1] for each in addresses]
        ports.append(stack.enter_context(process("::1", socket.AF_INET6))[1])
        asked = ours()
        assert set(asked.values()) == {
            (ports[0], "127.0.0.1"),
            (ports[1], "127.0.0.1"),
            (ports[2], "::1"),
        }

        def does_not_answer() -> Iterator[sock_diag.ListeningSocket]:
            raise OSError("Protocol not supported")

        monkeypatch.setattr(sock_diag, "listening", does_not_answer)
        assert ours() == asked


def test_the_numbers_of_all_sockets_are_others_once_one_listens_or_ends() -> None:
    before = listening.all_sockets()
    if before is None:
        pytest.skip("the system does not say")
    with process("127.0.0.1", socket.AF_INET) as (started, port):
        (listener,) = found_of(started.pid)
        during = listening.all_sockets()
        assert during
        assert listener.inode in during - before
        started.kill()
        started.wait()
    after = listening.all_sockets()
    assert after is not None
    assert listener.inode not in after
