"""The CLI's own lines as readable text."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.messages import Unknown
from opcode_htmx.transcript import cli_text


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "Set model to `Opus 5.5` for this session only",
            "Set model to Opus 5.5 for this session only",
        ),
        ("Set model to \x1b[1mOpus 5.5\x1b[22m", "Set model to Opus 5.5"),
        ("**Done** with 2 * 3 * `a`", "Done with 2 * 3 * a"),
        ("one\ntwo", ""),
        ("", ""),
        ("x" * (cli_text.LONGEST_LINE + 1), ""),
    ],
)
def test_command_output_of_one_line_is_plain_text(output: str, sentence: str) -> None:
    assert cli_text.as_single_line(output) == sentence


def test_unknown_stdout_line_is_shown() -> None:
    assert not cli_text.is_bookkeeping(Unknown("next", {}), live=True)
    assert cli_text.is_bookkeeping(Unknown("keep_alive", {}), live=True)
    assert cli_text.is_bookkeeping(Unknown("sidechain", {"message": {}, "uuid": "u"}), live=False)


def test_history_line_without_a_message_is_bookkeeping() -> None:
    assert cli_text.is_bookkeeping(Unknown("cost-state", {"uuid": "u"}), live=False)
    assert cli_text.is_bookkeeping(Unknown("api-request-blob", {"message": {}}), live=False)
    assert not cli_text.is_bookkeeping(Unknown("next", {"message": {}, "uuid": "u"}), live=False)


def test_json_is_laid_out_to_be_read_and_never_fails() -> None:
    assert cli_text.as_json({"a": ["ä"]}) == '{\n  "a": [\n    "ä"\n  ]\n}'
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert cli_text.as_json(deep) == "This is nested too deeply to be shown."
