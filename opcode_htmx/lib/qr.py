"""Draw QR codes for a terminal and for SVG; the encoder is imported by the first code.

A code is a list of rows of modules, from the top; True is dark. The rows include the quiet zone,
the light margin that readers need.
"""

from __future__ import annotations

QUIET_ZONE = 4
"""Modules on each side, as the standard demands."""
COMPACT_QUIET_ZONE = 2
"""Enough for the cameras of phones, where a screen has few lines."""

Rows = list[list[bool]]

_HALF_BLOCKS = {
    (True, True): "█",
    (True, False): "▀",
    (False, True): "▄",
    (False, False): " ",
}
_BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"
"""Of the 256 colours, which themes of a terminal do not change; the first 16 may be any colour."""
_RESET = "\x1b[0m"


def encode(text: str, quiet_zone: int = QUIET_ZONE) -> Rows:
    """The QR code of a text, with error correction M: a seventh of it may be damaged."""
    import segno  # takes 60 ms of the start of the command line, which rarely draws a code

    code = segno.make(text, error="m", micro=False, boost_error=False)
    return [[bool(module) for module in row] for row in code.matrix_iter(border=quiet_zone)]


def half_blocks(rows: Rows) -> list[str]:
    """Lines for a terminal, two rows in each: black on white, whatever its theme."""
    light = [False] * len(rows[0])
    pairs = zip(rows[::2], [*rows[1::2], light], strict=False)
    return [
        _BLACK_ON_WHITE + "".join(map(_HALF_BLOCKS.__getitem__, zip(*pair, strict=True))) + _RESET
        for pair in pairs
    ]


def svg_path(rows: Rows) -> str:
    """The `d` of an SVG path that covers the dark modules, in a box of one unit a module."""
    return "".join(
        f"M{start} {y}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _dark_runs(row)
    )


def _dark_runs(row: list[bool]) -> list[tuple[int, int]]:
    """The start and the length of each run of dark modules."""
    runs: list[tuple[int, int]] = []
    for x, dark in enumerate(row):
        if not dark:
            continue
        start, length = runs[-1] if runs else (0, 0)
        if runs and start + length == x:
            runs[-1] = start, length + 1
        else:
            runs.append((x, 1))
    return runs
