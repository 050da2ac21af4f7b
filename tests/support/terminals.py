"""Terminals for the tests: a store over a folder, and a reference screen of one's output."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from opcode_htmx.engines.base import CommandLine
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.pty.records import Kind, Record
from opcode_htmx.lib.pty.segments import SegmentReader, newest_output, starts_in
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.sessions.terminals.model import Program, Terminal
from opcode_htmx.sessions.terminals.store import RECORD, Terminals
from tests.support.environment import SYSTEM_PATH, USER, until

BY = owner(USER)


class ReferenceScreen(pyte.Screen):
    """Ignores the sequences that pyte takes for colours, such as `CSI ? 4 m` of vim."""

    def select_graphic_rendition(self, *codes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*codes)


class NoLauncher:
    """An engine's launcher in whose place a shell command runs."""

    def __init__(self, *argv: str) -> None:
        self.argv = argv

    def subcommand(self, *arguments: str) -> CommandLine:
        return CommandLine((*self.argv, *arguments), {"PATH": SYSTEM_PATH})


@contextlib.contextmanager
def terminals_in(folder: Path, *argv: str) -> Iterator[Terminals]:
    """A store over a folder; its shell is a bash without start-up files, and a prompt of `$ `."""
    work = folder / "work"
    work.mkdir()
    (folder / ".bash_profile").write_text("PS1='$ '\nbind 'set enable-bracketed-paste off'\n")
    environment = {
        "PATH": SYSTEM_PATH,
        "HOME": str(folder),
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
    }
    launcher: object = NoLauncher(*argv)
    store = Terminals(folder / "terminals", WorkingFolders([work]), launcher, environment)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        kill_terminals(folder / "terminals")


def kill_terminals(folder: Path) -> None:
    """End all terminals of a folder of the state folder, as their hosts would."""
    from opcode_htmx.sessions.terminals import store as module
    from opcode_htmx.sessions.terminals.model import SCHEMA

    for path in folder.glob(f"*/{RECORD}"):
        if record := SCHEMA.read(path):
            module.kill(record)


def shell_in(terminals: Terminals, folder: Path, size: tuple[int, int] = (80, 24)) -> Terminal:
    """A shell that waits for its first line."""
    shell = terminals.start(Program.SHELL, folder / "work", BY, size=size)
    wait_for(terminals, shell, lambda screen: "$" in text_of(screen))
    return shell


def reference_screen(terminals: Terminals, terminal: Terminal, begin: int = 0) -> pyte.Screen:
    """What a terminal that has seen the output from offset `begin` on would show."""
    return screen_of(SegmentReader(terminals.output_of(terminal.id), begin))


def screen_of(reader: SegmentReader) -> pyte.Screen:
    """What a terminal would show that has seen all that follows; it begins at a segment."""
    return ReferenceTerminal(reader).screen()


class ReferenceTerminal:
    """A terminal that sees an output from the begin of a segment on, each part once."""

    def __init__(self, reader: SegmentReader) -> None:
        self._reader = reader
        self._screen = ReferenceScreen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self._is_first = True

    def screen(self) -> pyte.Screen:
        """With all that has come by now."""
        while found := self._reader.read(1 << 20)[0]:
            for record in found:
                self._see(record)
        return self._screen

    def _see(self, record: Record) -> None:
        if record.kind is Kind.DATA:
            self._stream.feed(record.content)
        elif record.kind is Kind.SIZE or (record.kind is Kind.STATE and self._is_first):
            columns, rows = record.size
            self._screen.resize(rows, columns)
            if record.kind is Kind.STATE:
                self._stream.feed(record.restores)
        self._is_first = False


def text_of(screen: pyte.Screen) -> str:
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n")


def wait_for(
    terminals: Terminals, terminal: Terminal, condition: Callable[[pyte.Screen], object]
) -> pyte.Screen:
    """Wait until the reference screen is as wanted."""
    last: pyte.Screen = ReferenceScreen(80, 24)

    def holds() -> object:
        nonlocal last
        last = reference_screen(terminals, terminal)
        return condition(last)

    try:
        until(holds, "the screen is as wanted", timeout=30)
    except AssertionError as error:
        raise AssertionError(f"{error}; it shows\n{text_of(last)}") from None
    return last


def wait_for_output(terminals: Terminals, terminal: Terminal, words: bytes) -> pyte.Screen:
    """Wait until a large output ends with these words; gives the screen of its newest segments."""
    output = terminals.output_of(terminal.id)

    def newest() -> bytes:
        # The newest segment may have begun in the middle of these words
        return b"".join(newest_output(output, 4096))

    try:
        until(lambda: newest().endswith(words), f"it ends with {words!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}; its end is {newest()[-200:]!r}") from None
    return reference_screen(terminals, terminal, starts_in(output)[-2:][0])
