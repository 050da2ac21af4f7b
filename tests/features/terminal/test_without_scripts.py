"""A page without scripts shows of a terminal what the terminal of a page with scripts shows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from opcode_htmx.features.terminal import newest
from opcode_htmx.features.terminal.newest import newest_lines
from opcode_htmx.lib.pty import records
from opcode_htmx.lib.pty.records import Kind
from opcode_htmx.lib.pty.screen import Screen
from opcode_htmx.lib.pty.segments import SegmentWriter

LIBRARY = Path(__file__).parents[3] / "static" / "vendor"
PAGE = """<script type="module">
import { Terminal } from "/xterm.mjs";
import { Unicode11Addon } from "/addon-unicode11.mjs";
const show = async ([columns, rows, text]) => {
  const terminal = new Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true });
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  await new Promise((done) => terminal.write(text, done));
  const buffer = terminal.buffer.active;
  const lines = [];
  for (let at = 0; at < buffer.length; at++) lines.push(buffer.getLine(at).translateToString(true));
  terminal.dispose();
  return lines;
};
window.showAll = async (all) => {
  const found = [];
  for (const each of all) found.push(await show(each));
  return found;
};
</script>"""
PIECES = [
    *(
        "\r",
        "\n",
        "\b",
        "\t",
        " \r",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[2K",
        "\x1b[J",
        "\x1b[1J",
        "\x1b[2J",
    ),
    *(
        "\x1b[H",
        "\x1b[2A",
        "\x1b[3B",
        "\x1b[3C",
        "\x1b[5D",
        "\x1b[2E",
        "\x1b[F",
        "\x1b[7G",
        "\x1b[2;9H",
    ),
    *(
        "\x1b[3P",
        "\x1b[2@",
        "\x1b[4X",
        "\x1b[L",
        "\x1b[2M",
        "\x1b[S",
        "\x1b[T",
        "\x1b[2;4r",
        "\x1b[r",
    ),
    *(
        "\x1bM",
        "\x1bD",
        "\x1bE",
        "\x1b[1;31m",
        "\x1b[?25l",
        "\x1b]0;title\x07",
        "\x1b[5b",
        "\x1b[4h",
    ),
    *(
        "\x1b[4l",
        "\x1b[4l",
        "\x1b(0",
        "\x1b(B",
        "\x1b(B",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?1049l",
    ),
]


SHIFTING = ("\x1b[2@", "\x1b[3P", "\x1b[4h")
"""With wide characters, emulators do not agree on what these do to half of one."""


def output(made: random.Random, columns: int, *, wide: bool) -> str:
    """What a program may write: words, many longer than the terminal is wide, and sequences."""
    text, letters = "", "abcd  ä日本" if wide else "abcdefg  "
    pieces = [each for each in PIECES if not (wide and each in SHIFTING)]
    for _ in range(made.choice([3, 10, 60])):
        length = made.choice([1, columns - 1, columns, columns + 1, made.randrange(1, 3 * columns)])
        words = "".join(made.choice(letters) for _ in range(length))
        kind = made.random()
        text += words if kind < 0.45 else "\r\n" if kind < 0.6 else made.choice(pieces)
    return text


def stripped(lines: list[str]) -> list[str]:
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


@pytest.mark.browser
def test_made_up_output_looks_as_on_a_page_with_scripts(browser: Browser) -> None:
    def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name:
            content = (LIBRARY / name).read_text(encoding="utf-8")
            route.fulfill(body=content, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")

    page = browser.new_page()
    page.route("**/*", serve)
    page.goto("http://terminal.test/")
    page.wait_for_function("() => !!window.showAll")
    cases = []
    for seed in range(60):
        made = random.Random(seed)  # noqa: S311 - no secret
        columns, rows = made.choice([(5, 4), (20, 5), (80, 24)])
        cases.append((columns, rows, output(made, columns, wide=not seed % 3)))
    expected: list[list[str]] = page.evaluate("all => showAll(all)", cases)
    page.close()
    for (columns, rows, text), lines in zip(cases, expected, strict=True):
        screen = Screen(columns, rows, 5000)
        screen.feed(text)
        assert stripped(screen.lines()) == stripped(lines), (columns, rows, text)


def written(folder: Path, *parts: bytes | tuple[int, int]) -> Path:
    """The folder of a terminal of 20 × 5 whose program has written this, with other sizes."""
    writer = SegmentWriter(folder, 20, 5)
    for part in parts:
        if isinstance(part, bytes):
            writer.data(part)
        else:
            writer.size(*part)
    return folder


def test_a_line_that_is_longer_than_the_terminal_is_wide_goes_on_below(tmp_path: Path) -> None:
    # readline goes to the next row by a space and a carriage return
    typed = b"$ echo 3456789012345 \r678\r\n345678901234567890123456789\r\n$ "
    shown = newest_lines(written(tmp_path / "out", typed)).split("\n")
    assert shown == ["$ echo 3456789012345", "678", "34567890123456789012", "3456789", "$"]


def test_the_size_is_that_of_the_terminal_at_that_time(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", (30, 5), b"x" * 40 + b"\r\n$ ")
    assert newest_lines(folder) == f"{'x' * 30}\n{'x' * 10}\n$"


def test_records_may_be_cut_anywhere(tmp_path: Path) -> None:
    text = "\x1b[31mred\x1b[0m\r\n\x1b]0;my title\x07naïve 日本\x1b[1K\rnext".encode()
    pieces = [bytes([each]) for each in text]
    expected = newest_lines(written(tmp_path / "whole", text))
    assert expected == "red\nnext"
    assert newest_lines(written(tmp_path / "cut", *pieces)) == expected
    sizes = [piece for each in pieces for piece in (each, (20, 6), (20, 5))]
    assert newest_lines(written(tmp_path / "sizes", *sizes)) == expected


@pytest.mark.parametrize("shown", range(20, 34))
def test_of_much_output_the_end_may_begin_within_a_sequence_or_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: int
) -> None:
    monkeypatch.setattr(newest, "SHOWN_BYTES", shown)
    text = b"x" * 40 + "\x1b[38;5;12m日\x1b]0;title\x07".encode() + b"." * 10
    lines = newest_lines(written(tmp_path / "out", text))
    assert lines.strip(" x") in ("." * 10, "日" + "." * 10)


@pytest.mark.parametrize("kind", [Kind.SIZE, Kind.STATE])
def test_a_damaged_size_hides_nothing_that_was_written_before(tmp_path: Path, kind: Kind) -> None:
    folder = written(tmp_path / "out", b"hello\r\n")
    with next(folder.iterdir()).open("ab") as file:
        file.write(records.encode(kind, b"\0") + records.encode(Kind.DATA, b"lost"))
    assert newest_lines(folder) == "hello"
    folder = written(tmp_path / "huge", (65_535, 65_535), b"x" * 600)
    assert newest_lines(folder) == f"{'x' * 500}\n{'x' * 100}"


def test_of_much_output_the_end_is_shown_from_the_begin_of_a_line_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "SHOWN_BYTES", 100)
    lines = [f"{number:018}\r\n".encode() for number in range(50)]
    folder = written(tmp_path / "out", *lines[:20], (60, 5), b"".join(lines[20:]))
    assert newest_lines(folder).split("\n") == [f"{number:018}" for number in range(46, 50)]
    folder = written(tmp_path / "own", b"\x1b[?1049h", *lines, b"\x1b[H\x1b[2JEditor")
    assert newest_lines(folder) == "Editor"


def test_where_nothing_was_written_nothing_is_shown(tmp_path: Path) -> None:
    assert newest_lines(tmp_path / "none") == ""
    assert newest_lines(written(tmp_path / "out")) == ""
