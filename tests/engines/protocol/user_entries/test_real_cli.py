"""User entries of the real CLI, in a terminal and in print mode."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.api.sockets.chat_events import ChatEventEncoder
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.prices import price_of
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.engines.messages import BlockDelta, TurnResult, User
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.sessions.index.usage.answers import AnswerCounter
from opcode_htmx.transcript.blocks import PromptBlock, ShellBlock
from opcode_htmx.transcript.fold import Transcript
from tests.engines.protocol.user_entries.entries import (
    FULL_COMMAND,
    OWN_WORDS,
    fold_file,
    look,
    prompt_count,
    seen,
)
from tests.support.cli.captured import fragments, with_ends
from tests.support.cli.terminal_session import TerminalSession
from tests.support.environment import Sandbox
from tests.support.scripted_claude import Claude

SHELL = r'!printf "\033[31mred\033[0m <b>\n"; echo "a & b" >&2'


def _noted(words: str) -> Any:
    return lambda entries: any(words in json.dumps(each) for each in entries)


def _scenes(gate: threading.Event) -> tuple[Scene, ...]:
    cut = Text(" ".join(f"word{n}" for n in range(60)), gate=gate)
    return Scene("cut", "cut", [cut]), Scene("any", "", [Text("Yes.")])


@cache
def terminal_history(claude: Path, folder: Path) -> Path:
    """The history that the real CLI writes for a terminal session: `!`, /rename, a prompt, Esc."""
    gate = threading.Event()
    sandbox = Sandbox(folder / "home").make()
    with MessagesApi(_scenes(gate)) as api:
        try:
            with TerminalSession(claude, sandbox, api.url) as terminal:
                terminal.enter(SHELL, _noted("turn_duration"))
                terminal.enter("/rename Apple <b>", _noted("Session renamed to"))
                terminal.enter("cut [Request interrupted by user]", _noted('"typed"'))
                terminal.press("\x1b")
                terminal.until(_noted("interruptedMessageId"))
                path = folder / "terminal.jsonl"
                path.write_bytes(terminal.history)
        finally:
            gate.set()
    return path


@dataclass(frozen=True)
class Printed:
    """A session of the real CLI in print mode, as it was printed and as it was noted."""

    sent: dict[str, str]
    stdout: tuple[bytes, ...]
    history: Path

    def text(self, prompt_id: str) -> str | None:
        return self.sent.get(prompt_id)

    def prompt(self, prompt_id: str) -> User | None:
        raise AssertionError("Claude repeats each of these")

    def live(self) -> Transcript:
        transcript = Transcript("1", run_id="r" * 32, cost_before=0.0, sent_text=self.sent.get)
        for end, each in with_ends(self.stdout):
            transcript.feed(parser.parse(each), end)
        transcript.close()
        return transcript

    def past(self) -> Transcript:
        return fold_file(self.history)


@cache
def printed(claude: Path, folder: Path) -> Printed:
    gate = threading.Event()
    sandbox = Sandbox(folder / "home").make()
    commands = sandbox.project / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "deploy.md").write_text("Deploy it to $ARGUMENTS", encoding="utf-8")
    sent: dict[str, str] = {}
    with MessagesApi(_scenes(gate)) as api:
        cli = Claude(claude, sandbox, api.url)
        try:
            for words in (*OWN_WORDS, "/deploy prod <b>", "/rename Apple", FULL_COMMAND):
                sent[cli.prompt(words)] = words
                cli.next(TurnResult)
            sent[cli.prompt("cut short")] = "cut short"
            cli.next(BlockDelta)
            cli.send(encoder.control_line("interrupt-1", "interrupt"))
            cli.next(TurnResult)
            cli.end()
        finally:
            gate.set()
            cli._process.kill()
    noted = history.find(sandbox.config_dir, cli.session_id)
    assert noted is not None
    return Printed(sent, tuple(cli.lines), noted)


@pytest.fixture(scope="session")
def terminal(claude: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return terminal_history(claude, tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="session")
def print_mode(claude: Path, tmp_path_factory: pytest.TempPathFactory) -> Printed:
    return printed(claude, tmp_path_factory.mktemp("printed"))


def test_terminal_session_has_shell_command_notice_and_prompt_blocks(terminal: Path) -> None:
    transcript = fold_file(terminal)
    shell, *rest = transcript.blocks
    assert isinstance(shell, ShellBlock)
    assert f"!{shell.command}" == SHELL
    assert "\x1b[31mred\x1b[0m <b>" in shell.stdout
    assert "a & b" in shell.stdout + shell.stderr
    assert [look(block) for block in rest] == [
        "text",
        "command /rename Apple <b>",
        "notice Session renamed to: Apple <b>",
        "prompt cut [Request interrupted by user]",
        "text",
        "notice Request interrupted by user.",
    ]


def test_a_terminal_block_has_the_colours_and_the_streams(terminal: Path) -> None:
    html = fragments().block(fold_file(terminal).blocks[0])
    assert '<span class="a1">red</span> &lt;b&gt;' in html
    assert '<span class="tool-summary">$ printf' in html


def test_a_terminal_session_is_named_and_counted_by_its_prompts(terminal: Path) -> None:
    assert (seen(terminal).name, seen(terminal).title) == (
        "Apple <b>",
        "cut [Request interrupted by user]",
    )
    assert prompt_count(terminal) == 1


@pytest.mark.parametrize("words", [*OWN_WORDS, FULL_COMMAND])
def test_words_sent_to_the_real_cli_are_shown_verbatim_live_and_past(
    print_mode: Printed, words: str
) -> None:
    for transcript in (print_mode.live(), print_mode.past()):
        texts = [block.text for block in transcript.blocks if isinstance(block, PromptBlock)]
        assert words in texts


def test_an_interrupted_answer_costs_in_its_history_what_the_cli_has_counted(
    print_mode: Printed,
) -> None:
    """So Usage, which reads histories, has the sum of Budgets, which ask the CLI."""
    counter = AnswerCounter(is_agent=False)
    for number, entry in enumerate(print_mode.history.read_bytes().splitlines()):
        counter.add(json.loads(entry), number, None, 0)
    cost = 0
    for each in counter.found.values():
        price = price_of(each.model)
        if price and each.usage.output:
            of_input, of_output, *_ = price.per_token()
            cost += each.usage.input * of_input + each.usage.output * of_output
    ends = [each for each in map(parser.parse, print_mode.stdout) if isinstance(each, TurnResult)]
    assert ends[-1].cost_usd is not None
    assert cost == round(ends[-1].cost_usd * PICO)


def test_history_shows_the_same_as_the_run(print_mode: Printed) -> None:
    live, past = (
        [(block.id, look(block)) for block in transcript.blocks if block.kind != "summary"]
        for transcript in (print_mode.live(), print_mode.past())
    )
    assert past == [each for each in live if "-error" not in each[0]]
    assert [shown for _, shown in past if shown.startswith(("prompt /", "command"))] == [
        "prompt /deploy prod <b>",
        "command /rename Apple",
    ]


def test_print_mode_counts_words_and_commands_that_reach_the_model(print_mode: Printed) -> None:
    assert prompt_count(print_mode.history) == len(print_mode.sent) - 1, "all but /rename"
    assert seen(print_mode.history).title == OWN_WORDS[0]


def test_search_and_export_hold_the_words_as_they_were_sent(print_mode: Printed) -> None:
    for transcript in (print_mode.live(), print_mode.past()):
        document = "".join(to_markdown.document("T", "/f", transcript.blocks))
        for words in OWN_WORDS:
            assert words in document
            assert [hit.where for hit in search.find(transcript.blocks, words)] == ["You"] or (
                words == OWN_WORDS[-1]  # stands in the notice of an interruption, too
            )


def test_the_chat_says_the_words_as_they_were_sent(print_mode: Printed) -> None:
    chat = ChatEventEncoder("s")
    said = [
        message["content"]
        for each in print_mode.stdout
        for message in chat.line(each, print_mode)
        if message["type"] == "user_message"
    ]
    assert said == [*OWN_WORDS, "/deploy prod <b>", "/rename Apple", FULL_COMMAND, "cut short"]
