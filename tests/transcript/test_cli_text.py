"""Claude's lines in a person's words."""

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
def test_what_a_command_says_in_a_line_is_plain_words(output: str, sentence: str) -> None:
    assert cli_text.as_single_line(output) == sentence


def test_on_stdout_what_is_unknown_is_shown() -> None:
    assert not cli_text.is_bookkeeping(Unknown("next", {}), live=True)
    assert cli_text.is_bookkeeping(Unknown("keep_alive", {}), live=True)
    assert cli_text.is_bookkeeping(Unknown("sidechain", {"message": {}, "uuid": "u"}), live=False)


def test_in_history_what_has_no_message_of_its_own_is_the_clis_bookkeeping() -> None:
    assert cli_text.is_bookkeeping(Unknown("cost-state", {"uuid": "u"}), live=False)
    assert cli_text.is_bookkeeping(Unknown("api-request-blob", {"message": {}}), live=False)
    assert not cli_text.is_bookkeeping(Unknown("next", {"message": {}, "uuid": "u"}), live=False)


def test_json_is_laid_out_to_be_read_and_never_fails() -> None:
    assert cli_text.as_json({"a": ["ä"]}) == '{\n  "a": [\n    "ä"\n  ]\n}'
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert cli_text.as_json(deep) == "This is nested too deeply to be shown."
