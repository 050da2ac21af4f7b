"""Who wrote a user entry: entered and sent text is shown verbatim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol.user_entries import parts_of
from opcode_htmx.engines.user_parts import ModelNote, OtherMessage, Prompt
from tests.engines.protocol.user_entries.entries import FULL_COMMAND, OWN_WORDS, entry
from tests.support.cli.captured import fold, line


@pytest.mark.parametrize("entered", ["typed", "queued", "suggestion_accepted", "sdk"])
def test_entered_text_is_shown_verbatim(entered: str) -> None:
    found = [parts_of(entry(words, promptSource=entered)) for words in OWN_WORDS]
    assert found == [(Prompt(words),) for words in OWN_WORDS]


def test_sent_text_is_shown_verbatim() -> None:
    found = [parts_of(entry(words, isReplay=True), sent={"u": words}.get) for words in OWN_WORDS]
    assert found == [(Prompt(words),) for words in OWN_WORDS]


def test_command_that_the_cli_made_of_sent_text_is_a_command() -> None:
    made = entry(FULL_COMMAND, isReplay=True)
    assert parts_of(made, sent={"u": "/model opus"}.get) == parts_of(entry(FULL_COMMAND))


@given(st.text(), st.sampled_from(["typed", "sdk"]))
def test_no_entered_text_is_changed_by_the_fold(words: str, entered: str) -> None:
    lines = [line(type="user", uuid="u", message={"content": words}, promptSource=entered)]
    shown = [getattr(block, "text", None) for block in fold(tuple(lines), run_id=None).blocks]
    assert shown == ([words] if words.strip() else [])


@given(st.text(st.sampled_from(["<", ">", "/", "a", "\n", " ", "]", "[", "b"])))
def test_text_in_no_known_form_is_kept_as_a_prompt(words: str) -> None:
    assert parts_of(entry(words)) == ((Prompt(words),) if words.strip() else ())


@pytest.mark.parametrize(
    "words", [words for words in OWN_WORDS if not words.endswith(("stdout>", "]"))]
)
def test_a_form_in_mid_sentence_is_no_note_in_old_files_either(words: str) -> None:
    assert parts_of(entry(words)) == (Prompt(words),)


@pytest.mark.parametrize("mark", ["isMeta", "isCompactSummary", "isSynthetic"])
def test_entry_marked_as_model_only_is_no_prompt(mark: str) -> None:
    assert parts_of(entry("Go on.", **{mark: True})) == (ModelNote("Go on."),)


@pytest.mark.parametrize("kind", ["peer", "channel", "plugin"])
def test_message_from_another_program_is_no_prompt(kind: str) -> None:
    message = entry("Hello.", origin={"kind": kind}, promptSource="sdk", isSynthetic=True)
    assert parts_of(message) == (OtherMessage(kind, "Hello."),)


def test_a_message_that_holds_the_tag_of_messages_is_shown_to_its_end() -> None:
    inner = 'A <teammate-message teammate_id="c">x</teammate-message> Z'
    text = f'<teammate-message teammate_id="ann">{inner}</teammate-message>'
    message = entry(text, origin={"kind": "peer"})
    assert parts_of(message) == (OtherMessage("ann", inner),)
