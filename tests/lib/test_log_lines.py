"""Log lines: no text from outside imitates a line of its own."""

from __future__ import annotations

import io
import logging

from opcode_htmx.lib.log_lines import LogFormatter

FORGED = "INFO opcode_htmx.audit: actor=opcode/1f3a9c02 action=prompt.send"


def logged(text: str, error: Exception | None = None) -> list[str]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter())
    logger = logging.Logger("odd")
    logger.addHandler(handler)
    logger.error("%s", text, exc_info=error)
    return stream.getvalue().split("\n")


def test_a_message_of_one_line_is_logged_as_it_is() -> None:
    assert logged("Grüße, opcode") == ["ERROR odd: Grüße, opcode", ""]


def test_every_line_after_the_first_is_indented() -> None:
    try:
        raise ValueError(f"one\n{FORGED}")
    except ValueError as error:
        lines = logged(f"a folder\n{FORGED}\n", error)
    assert lines[:2] == ["ERROR odd: a folder", f"    {FORGED}"]
    assert f"    {FORGED}" in lines[3:]
    assert all(line.startswith("    ") for line in lines[1:-1])


def test_control_characters_are_escaped() -> None:
    (line, _) = logged(f"a\r{FORGED}\x1b[2K\u2028b\x85c")
    assert line == f"ERROR odd: a\\r{FORGED}\\x1b[2K\\u2028b\\x85c"


def test_a_traceback_that_another_formatter_has_made_is_indented_too() -> None:
    record = logging.LogRecord("odd", logging.ERROR, "", 0, "Failed", None, None)
    record.exc_text, record.stack_info = FORGED, FORGED
    assert LogFormatter().format(record).split("\n") == ["ERROR odd: Failed", f"    {FORGED}"]
