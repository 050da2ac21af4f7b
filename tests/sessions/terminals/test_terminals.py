"""Terminals with real programs on real PTYs: their screens equal a reference terminal's."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.pty import messages, segments
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.terminals import pipes, store
from opcode_htmx.sessions.terminals.model import (
    CannotStartTerminal,
    NoSuchTerminal,
    Program,
    Terminal,
    TerminalEnded,
    TerminalRuns,
)
from opcode_htmx.sessions.terminals.store import Terminals
from tests.support.environment import until
from tests.support.terminals import (
    BY,
    kill_terminals,
    screen_of,
    shell_in,
    terminals_in,
    text_of,
    wait_for,
    wait_for_output,
)

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(90)]


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    with terminals_in(tmp_path, "/bin/echo", "claude") as found:
        yield found


@pytest.fixture
def shell(terminals: Terminals, tmp_path: Path) -> Terminal:
    return shell_in(terminals, tmp_path)


def has_ended(terminals: Terminals, terminal: Terminal) -> Terminal:
    until(lambda: not terminals.get(terminal.id).is_live, "the terminal has ended")
    return terminals.get(terminal.id)


def test_a_shell_works_in_the_folder_and_speaks_utf8(
    terminals: Terminals, shell: Terminal, tmp_path: Path
) -> None:
    terminals.type(shell.id, "pwd; echo äpfel-漢字 | wc -m; tput colors\r".encode())
    screen = text_of(wait_for(terminals, shell, lambda it: "256" in text_of(it)))
    assert str(tmp_path / "work") in screen.replace("\n", "")
    assert "\n9\n" in screen
    assert "OPCODE" not in screen


def test_the_erase_key_takes_back_a_whole_character(
    terminals: Terminals, shell: Terminal, tmp_path: Path
) -> None:
    terminals.type(shell.id, b"cat > typed\r")
    until((tmp_path / "work" / "typed").exists, "cat reads")
    terminals.type(shell.id, "aä\x7fb\r\x04cat typed | od -c | head -1\r".encode())
    wait_for(terminals, shell, lambda it: re.search(r"0000000 +a +b +\\n", text_of(it)))


@pytest.mark.parametrize("size", [(256, 60), (40, 20)])
def test_a_program_learns_its_size(
    terminals: Terminals, shell: Terminal, size: tuple[int, int]
) -> None:
    terminals.resize(shell.id, *size)
    terminals.type(shell.id, b"stty size\r")
    wait_for(terminals, shell, lambda it: f"{size[1]} {size[0]}" in text_of(it))


def test_of_a_storm_of_sizes_the_last_one_holds(terminals: Terminals, shell: Terminal) -> None:
    with pipes.keyboard(terminals.folder_of(shell.id)) as keyboard:
        for number in range(500):
            keyboard.resize(40 + number % 200, 10 + number % 50)
        until(lambda: not _is_behind(keyboard, terminals, shell), "the storm is over")
    wait_for(terminals, shell, lambda it: (it.columns, it.lines) == (123, 33))
    terminals.type(shell.id, b"stty size\r")
    screen = wait_for(terminals, shell, lambda it: "33 123" in text_of(it))
    assert (screen.columns, screen.lines) == (123, 33)
    end, _ = segments.end_of(terminals.output_of(shell.id))
    assert end < 20_000


def _is_behind(keyboard: pipes.Keyboard, terminals: Terminals, shell: Terminal) -> bool:
    """Send the last size again, until the pipe has had room for it."""
    try:
        pipes.order(terminals.folder_of(shell.id), messages.size(123, 33))
    except BlockingIOError:
        return True
    return False


def test_what_a_flood_leaves_equals_a_reference_and_the_disk_is_bounded(
    terminals: Terminals, shell: Terminal
) -> None:
    terminals.type(shell.id, b"seq 400000; yes | head -c 100000; echo over\r")
    screen = wait_for_output(terminals, shell, b"over\r\n$ ")
    assert text_of(screen).split("\n") == [*["y"] * 22, "over", "$"]
    output = terminals.output_of(shell.id)
    assert sum(path.stat().st_size for path in output.iterdir()) < 3_500_000


def test_yes_costs_next_to_nothing_while_nobody_looks(
    terminals: Terminals, shell: Terminal
) -> None:
    terminals.type(shell.id, b"yes\r")
    output = terminals.output_of(shell.id)
    until(lambda: segments.end_of(output)[0] > 2_000_000, "the flood is on")
    assert shell.record.host
    host = psutil.Process(shell.record.host.pid)
    began, used = time.monotonic(), sum(host.cpu_times()[:2])
    until(lambda: time.monotonic() - began > 2, "two seconds have passed")
    assert sum(host.cpu_times()[:2]) - used < 0.4
    assert host.memory_info().rss < 40_000_000
    terminals.type(shell.id, b"\x03")
    screen = wait_for_output(terminals, shell, b"\r\n$ ")
    assert set(text_of(screen).split("\n")[:-2]) == {"y"}


def test_keys_end_programs_also_where_the_server_ignores_their_signals(
    terminals: Terminals, tmp_path: Path
) -> None:
    numbers = signal.SIGINT, signal.SIGQUIT
    ignored = {each: signal.signal(each, signal.SIG_IGN) for each in numbers}
    try:  # as for a command in the background of a script
        shell = shell_in(terminals, tmp_path)
    finally:
        for each, handler in ignored.items():
            signal.signal(each, handler)
    for word, key in ((b"one", b"\x03"), (b"two", b"\x1c")):
        # by a shell of its own: between two programs, the outer one takes keys for itself
        line = b"ulimit -c 0; sh -c 'echo $((1))" + word + b"; exec sleep 1000'\r"
        terminals.type(shell.id, line)
        wait_for(terminals, shell, lambda it, word=word: f"\n1{word.decode()}" in text_of(it))  # type: ignore[misc]
        terminals.type(shell.id, key)
        wait_for(terminals, shell, lambda it: text_of(it).endswith("$"))


def test_a_large_paste_arrives_whole(terminals: Terminals, shell: Terminal, tmp_path: Path) -> None:
    line = b"apple pie, with cream and sugar\n"
    count = 10_000_000 // len(line)
    command = b"stty raw -echo; head -c %d > pasted; stty sane; echo got it\r" % (count * len(line))
    terminals.type(shell.id, command)
    until((tmp_path / "work" / "pasted").exists, "the program reads")
    terminals.type(shell.id, line * count)
    wait_for(terminals, shell, lambda it: "\ngot it" in text_of(it))  # not the echo of the line
    assert (tmp_path / "work" / "pasted").read_bytes() == line * count


def test_less_and_vim_draw_what_a_reference_shows(
    terminals: Terminals, shell: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "work" / "trees").write_text("".join(f"tree {number}\n" for number in range(99)))
    terminals.type(shell.id, b"less trees\r")
    wait_for(terminals, shell, lambda it: "tree 22" in text_of(it))
    terminals.type(shell.id, b"G")
    screen = wait_for(terminals, shell, lambda it: "tree 98" in text_of(it))
    assert text_of(screen).split("\n")[:23] == [f"tree {number}" for number in range(76, 99)]
    terminals.type(shell.id, b"q")
    wait_for(terminals, shell, lambda it: text_of(it).endswith("$"))
    terminals.type(shell.id, b"vim -u NONE trees\r")
    wait_for(terminals, shell, lambda it: '"trees"' in text_of(it))
    terminals.type(shell.id, b":%s/tree/apple/\rgg")
    screen = wait_for(terminals, shell, lambda it: "apple 0\n" in text_of(it))
    assert "apple 22" in text_of(screen)
    # a viewer who sees none of that has it drawn again
    output = terminals.output_of(shell.id)
    begin, _ = segments.end_of(output)
    pipes.order(output.parent, messages.redraw())
    until(
        lambda: "apple 22" in text_of(screen_of(segments.SegmentReader(output, begin))),
        "all is drawn again",
    )
    terminals.type(shell.id, b":wq\r")
    wait_for(terminals, shell, lambda it: text_of(it).endswith("$"))
    assert (tmp_path / "work" / "trees").read_text().count("apple") == 99


def test_one_viewer_answers_what_a_program_asks(terminals: Terminals, shell: Terminal) -> None:
    folder = terminals.folder_of(shell.id)
    first, second = b"1" * 8, b"2" * 8
    with pipes.keyboard(folder, first) as one, pipes.keyboard(folder, second) as two:
        one.type(b"cat\r")
        wait_for(terminals, shell, lambda it: text_of(it).endswith("cat"))
        two.answer(b"not me")
        one.answer(b"me")
        two.type(b"!")
        one.answer(b"not me")
        two.answer(b"me too\r")
    wait_for(terminals, shell, lambda it: text_of(it).endswith("me!me too\nme!me too"))


def test_the_end_of_a_program_is_recorded(terminals: Terminals, shell: Terminal) -> None:
    terminals.type(shell.id, b"exit 3\r")
    assert has_ended(terminals, shell).how_it_ended == "ended with status 3"
    with pytest.raises(TerminalEnded):
        terminals.type(shell.id, b"x")
    terminals.remove(shell.id)
    with pytest.raises(NoSuchTerminal):
        terminals.get(shell.id)


def test_end_ends_all_processes_also_those_that_ignore_it(
    terminals: Terminals, shell: Terminal
) -> None:
    terminals.type(shell.id, b"trap '' HUP TERM; sleep 1234 & sleep 1235\r")
    assert shell.record.leader
    leader = psutil.Process(shell.record.leader.pid)
    until(lambda: len(leader.children(recursive=True)) == 2, "both sleep")
    family = [leader, *leader.children(recursive=True)]
    with pytest.raises(TerminalRuns):
        terminals.remove(shell.id)
    ended = terminals.end(shell.id)
    assert ended.exit
    assert ended.exit.status == -signal.SIGKILL
    until(lambda: not any(each.is_running() for each in family), "all have ended")


def test_a_terminal_whose_host_was_killed_has_ended(terminals: Terminals, shell: Terminal) -> None:
    kill_terminals(terminals.folder_of(shell.id).parent)
    assert has_ended(terminals, shell).how_it_ended == "was killed"


def test_a_host_that_does_not_obey_is_killed_with_all_of_its_terminal(
    terminals: Terminals, shell: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "END_SECONDS", 0.2)
    assert shell.record.host
    assert shell.record.leader
    terminals.type(shell.id, b"nohup sleep 1234 >/dev/null &\r")
    leader = psutil.Process(shell.record.leader.pid)
    until(lambda: [each.name() for each in leader.children()] == ["sleep"], "it sleeps")
    (sleeper,) = leader.children()
    os.kill(shell.record.host.pid, signal.SIGSTOP)
    assert not terminals.end(shell.id).is_live
    until(lambda: not sleeper.is_running(), "what was started in the background has ended")


def test_another_process_of_the_same_folder_finds_the_terminal(
    terminals: Terminals, shell: Terminal, tmp_path: Path
) -> None:
    other = Terminals(tmp_path / "terminals", terminals._folders, terminals._launcher, {})
    assert other.get(shell.id) == terminals.get(shell.id)
    assert [each.id for each in other.all()] == [shell.id]


def test_claude_is_started_with_the_session_to_go_on_with(
    terminals: Terminals, tmp_path: Path
) -> None:
    session = "0f5e1cf2-6c1c-4c1e-8a53-2f1f5d0a9e11"
    started = terminals.start(Program.CLAUDE, tmp_path / "work", BY, session_id=session)
    wait_for(terminals, started, lambda it: text_of(it) == f"claude --resume {session}")
    assert has_ended(terminals, started).record.session_id == session
    new = terminals.start(Program.CLAUDE, tmp_path / "work", BY)
    first = new.record.first_session_id
    wait_for(terminals, new, lambda it: text_of(it) == f"claude --session-id {first}")
    found = has_ended(terminals, new).record
    assert (found.session_id, found.first_session_id) == ("", first)


def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    with terminals_in(tmp_path, "/no/such/program") as terminals:
        started = terminals.start(Program.CLAUDE, tmp_path / "work", BY)
        wait_for(terminals, started, lambda it: "cannot be started" in text_of(it))
        assert has_ended(terminals, started).how_it_ended == "ended with status 127"


def test_only_folders_that_may_be_worked_in_get_one(terminals: Terminals, tmp_path: Path) -> None:
    with pytest.raises(InvalidFolder):
        terminals.start(Program.SHELL, tmp_path, BY)
    assert terminals.all() == []


def test_there_is_a_limit(
    terminals: Terminals, shell: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_LIVE", 1)
    with pytest.raises(CannotStartTerminal, match="End one of them first"):
        terminals.start(Program.SHELL, tmp_path / "work", BY)


@pytest.mark.parametrize("name", ["", "..", "x" * 32, "1" * 31, "../" + "1" * 32])
def test_no_other_name_leads_to_a_folder(terminals: Terminals, name: str) -> None:
    with pytest.raises(NoSuchTerminal):
        terminals.folder_of(name)
