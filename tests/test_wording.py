"""Claude's lines in a person's words."""

from __future__ import annotations

import pytest

from opcode_htmx.claude.messages import Unknown
from opcode_htmx.view import wording


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Fix the bug\n", "Fix the bug"),
        ("<system-reminder>\nBe brief.\n</system-reminder>\nFix it", "Fix it"),
        (
            "Fix it\n<system-reminder>a</system-reminder>\n<system-reminder>b</system-reminder>",
            "Fix it",
        ),
        ("<task-notification>\n<task-id>1</task-id>\n</task-notification>", ""),
        ("<command-name>/compact</command-name>\n<command-args></command-args>", "/compact"),
        (
            "<command-message>model</command-message>\n<command-name>/model</command-name>\n"
            "<command-args>opus</command-args>",
            "/model opus",
        ),
        (
            "What does <command-name>x</command-name> do?",
            "What does <command-name>x</command-name> do?",
        ),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)
def test_a_prompt_is_shown_without_what_the_cli_wraps_around_it(text: str, words: str) -> None:
    assert wording.prompt_text(text) == words


def test_a_slash_command_is_told_from_a_text_about_one() -> None:
    assert wording.is_command("<command-name>/cost</command-name>")
    assert not wording.is_command("Explain <command-name>/cost</command-name>")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("<local-command-stdout>Compacted </local-command-stdout>", "Compacted"),
        ("<local-command-stderr>No such thing</local-command-stderr>", "No such thing"),
        ("<local-command-stdout></local-command-stdout>", ""),
        ("<local-command-stdout>a</local-command-stderr>", None),
        ("See <local-command-stdout>a</local-command-stdout>", None),
        ("Compacted", None),
    ],
)
def test_the_output_of_a_slash_command_is_told_from_a_prompt(text: str, output: str | None) -> None:
    assert wording.command_output(text) == output


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
        ("x" * (wording.LONGEST_LINE + 1), ""),
    ],
)
def test_what_a_command_says_in_a_line_is_plain_words(output: str, sentence: str) -> None:
    assert wording.told_in_a_line(output) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[Request interrupted by user]", "Request interrupted by user."),
        (
            "[Request interrupted by user for tool use]",
            "Request interrupted by user for tool use.",
        ),
        ("[Request interrupted by user] was shown. Why?", None),
        ("Why does it say [Request interrupted by user]", None),
    ],
)
def test_an_interruption_is_told_from_a_prompt_about_one(text: str, sentence: str | None) -> None:
    assert wording.interruption(text) == sentence


def test_on_stdout_what_is_unknown_is_shown() -> None:
    assert not wording.is_bookkeeping(Unknown("next", {}), live=True)
    assert wording.is_bookkeeping(Unknown("keep_alive", {}), live=True)
    assert wording.is_bookkeeping(Unknown("sidechain", {"message": {}, "uuid": "u"}), live=False)


def test_in_history_what_has_no_message_of_its_own_is_the_clis_bookkeeping() -> None:
    assert wording.is_bookkeeping(Unknown("cost-state", {"uuid": "u"}), live=False)
    assert wording.is_bookkeeping(Unknown("api-request-blob", {"message": {}}), live=False)
    assert not wording.is_bookkeeping(Unknown("next", {"message": {}, "uuid": "u"}), live=False)


def test_json_is_laid_out_to_be_read_and_never_fails() -> None:
    assert wording.as_json({"a": ["ä"]}) == '{\n  "a": [\n    "ä"\n  ]\n}'
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert wording.as_json(deep) == "This is nested too deeply to be shown."
