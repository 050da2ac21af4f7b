"""QR codes: the same modules in a terminal and in SVG, dark on light, with a quiet zone."""

from __future__ import annotations

import re

from opcode_htmx.lib import qr

LINK = "http://192.168.100.200:18080/pair#abcdefghijkmnpqrstuvwxyz2345"


def test_a_code_of_the_longest_usual_link_is_small_and_has_a_quiet_zone() -> None:
    rows = qr.encode(LINK)
    assert {len(row) for row in rows} == {len(rows)} == {33 + 2 * qr.QUIET_ZONE}
    margin = [rows[:4], rows[-4:], [row[:4] for row in rows], [row[-4:] for row in rows]]
    assert not any(module for side in margin for row in side for module in row)
    assert all(rows[4][4:11]), "a corner begins with a dark line of seven modules"


def test_half_blocks_are_the_rows_in_explicit_colours() -> None:
    rows = qr.encode(LINK, qr.COMPACT_QUIET_ZONE)
    dark = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    read: list[list[bool]] = []
    for line in qr.half_blocks(rows):
        found = re.fullmatch(r"\x1b\[38;5;16;48;5;231m([█▀▄ ]+)\x1b\[0m", line)
        assert found
        read += [[dark[each][half] for each in found[1]] for half in (0, 1)]
    assert read[: len(rows)] == rows
    assert not any(read[-1])


def test_the_svg_path_covers_the_dark_modules() -> None:
    rows = qr.encode(LINK)
    read = [[False] * len(rows) for _ in rows]
    for x, y, length, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", qr.svg_path(rows)):
        assert length == back
        for module in range(int(x), int(x) + int(length)):
            read[int(y)][module] = True
    assert read == rows
