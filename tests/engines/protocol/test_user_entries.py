"""User entries: entered text, and the notes of terminals, editors and the CLI beside it."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.api.sockets.chat_events import ChatEventEncoder
from opcode_htmx.engines import user_parts
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.claude.files import history, subagents
from opcode_htmx.engines.claude.files.session_summary import (
    FileSummary,
    count_prompts,
    summarize,
)
from opcode_htmx.engines.claude.prices import price_of
from opcode_htmx.engines.claude.protocol import encoder, parser, tagged
from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.messages import (
    BlockDelta,
    SystemEvent,
    TurnResult,
    User,
)
from opcode_htmx.engines.user_parts import (
    CommandOutput,
    EditorNote,
    HookNote,
    Interruption,
    MemoryNote,
    ModelNote,
    OtherMessage,
    Part,
    Prompt,
    ShellCommand,
    ShellOutput,
    SlashCommand,
    TaskNotification,
)
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.sessions.index.usage.answers import AnswerCounter
from opcode_htmx.transcript.blocks import (
    Block,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    ShellBlock,
)
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import (
    Claude,
    fold,
    fragments,
    line,
    with_ends,
)
from tests.support.cli.terminal_session import TerminalSession
from tests.support.clients.api import get
from tests.support.environment import Sandbox, Server

OWN_WORDS = (
    "Why does my log say <system-reminder>disk APRICOT full</system-reminder> twice?",
    "<command-name>/deploy</command-name> appears in my log. Why FIG?",
    "<local-command-stdout>DATE output I pasted</local-command-stdout>",
    "<task-notification>pasted NECTARINE</task-notification> explain",
    "[Request interrupted by user]",
)
"""Texts that a person may enter, each of which looks like a note of the CLI's."""
REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"
TASK = "<task-id>a1</task-id>\n<tool-use-id>toolu_1</tool-use-id>"
FULL_COMMAND = (
    "<command-name>/model</command-name>\n            <command-message>model</command-message>\n"
    "            <command-args>opus <b> & </command-args></command-args>"
)


def entry(content: object, **fields: object) -> User:
    message = parser.parse(line(type="user", uuid="u", message={"content": content}, **fields))
    assert isinstance(message, User)
    return message


# --- who wrote it ---------------------------------------------------------------------------


@pytest.mark.parametrize("words", OWN_WORDS)
@pytest.mark.parametrize("entered", ["typed", "queued", "suggestion_accepted", "sdk"])
def test_entered_text_is_shown_verbatim(words: str, entered: str) -> None:
    assert parts_of(entry(words, promptSource=entered)) == (Prompt(words),)


@pytest.mark.parametrize("words", OWN_WORDS)
def test_sent_text_is_shown_verbatim(words: str) -> None:
    assert parts_of(entry(words, isReplay=True), sent={"u": words}.get) == (Prompt(words),)


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


# --- forms ----------------------------------------------------------------------------------

FORMS: list[tuple[object, tuple[Part, ...]]] = [
    ("Fix it\n", (Prompt("Fix it\n"),)),
    ("<b>bold</b>", (Prompt("<b>bold</b>"),)),
    # the shell of the terminal, in one entry and in several, escaped and not
    ("<bash-input>ls -la</bash-input>", (ShellCommand("ls -la"),)),
    (
        "<bash-stdout>a\nb</bash-stdout><bash-stderr></bash-stderr>",
        (ShellOutput("a\nb", ""),),
    ),
    ("<bash-stderr>Command failed: no</bash-stderr>", (ShellOutput("", "Command failed: no"),)),
    (
        "<bash-input>ls</bash-input>\n<bash-stdout>a</bash-stdout>\n<bash-stderr>b</bash-stderr>",
        (ShellCommand("ls"), ShellOutput("a", "b")),
    ),
    (
        "<bash-stdout>&lt;b&gt; &amp;amp; &lt;/bash-stdout&gt;</bash-stdout>"
        "<bash-stderr></bash-stderr>",
        (ShellOutput("<b> &amp; </bash-stdout>", ""),),
    ),
    (
        "<bash-stdout><b> &lt; </bash-stdout> </bash-stdout><bash-stderr></bash-stderr>",
        (ShellOutput("<b> &lt; </bash-stdout> ", ""),),
    ),
    (
        "<bash-stdout><persisted-output>\nToo &lt;large\n</persisted-output></bash-stdout>",
        (ShellOutput("Too <large", ""),),
    ),
    ('<bash-input>echo "</bash-input>"</bash-input>', (ShellCommand('echo "</bash-input>"'),)),
    # slash commands: for the CLI alone, for the model, of older versions
    (FULL_COMMAND, (SlashCommand("/model", "opus <b> & </command-args>", local=True),)),
    (
        "<command-name>/clear</command-name><command-args></command-args>",
        (SlashCommand("/clear", "", local=True),),
    ),
    (
        "<command-message>deploy</command-message>\n<command-name>/deploy</command-name>\n"
        "<command-args>prod</command-args>",
        (SlashCommand("/deploy", "prod", local=False),),
    ),
    (
        "<command-message>init is analyzing your codebase…</command-message>\n"
        "<command-name>/init</command-name>",
        (SlashCommand("/init", "", local=False),),
    ),
    (
        "<command-message>pdf</command-message>\n<command-name>pdf</command-name>\n"
        "<skill-format>true</skill-format>",
        (SlashCommand("pdf", "", local=False),),
    ),
    (
        "<local-command-stdout>Compacted </local-command-stdout>",
        (CommandOutput("Compacted"),),
    ),
    (
        "<local-command-stderr>No such thing</local-command-stderr>",
        (CommandOutput("No such thing", is_error=True),),
    ),
    ("<local-command-stdout></local-command-stdout>", (CommandOutput(""),)),
    (
        "<local-command-stdout>a</local-command-stderr>",
        (Prompt("<local-command-stdout>a</local-command-stderr>"),),
    ),
    # interruptions
    ("[Request interrupted by user]", (Interruption("Request interrupted by user"),)),
    (
        [{"type": "text", "text": "[Request interrupted by user for tool use]"}],
        (Interruption("Request interrupted by user for tool use"),),
    ),
    (
        "[Request interrupted by user] was shown. Why?",
        (Prompt("[Request interrupted by user] was shown. Why?"),),
    ),
    # memory, caveats, reminders, hooks
    ("<user-memory-input>use tabs</user-memory-input>", (MemoryNote("use tabs"),)),
    ("# remember this", (Prompt("# remember this"),)),
    (
        "Caveat: The messages below were generated by the user while running local commands. So",
        (
            ModelNote(
                "Caveat: The messages below were generated by the user while running local"
                " commands. So"
            ),
        ),
    ),
    ("<local-command-caveat>So.</local-command-caveat>", (ModelNote("So."),)),
    (REMINDER, (ModelNote("Be brief."),)),
    (f"{REMINDER}\nFix it", (ModelNote("Be brief.", attached=True), Prompt("Fix it"))),
    (f"Fix it\n\n{REMINDER}", (Prompt("Fix it"), ModelNote("Be brief.", attached=True))),
    (
        "<system-reminder>x</system-reminder> was in my log",
        (Prompt("<system-reminder>x</system-reminder> was in my log"),),
    ),
    (
        "My log says\n<system-reminder>x</system-reminder>.",
        (Prompt("My log says\n<system-reminder>x</system-reminder>."),),
    ),
    (
        "Go\n<user-prompt-submit-hook>Checked.</user-prompt-submit-hook>",
        (Prompt("Go"), HookNote("UserPromptSubmit", "Checked.")),
    ),
    ("<post-tool-use-hook>Ran.</post-tool-use-hook>", (HookNote("PostToolUse", "Ran."),)),
    # editors
    (
        [
            {
                "type": "text",
                "text": "<ide_opened_file>A person opened the file /w/app.py in the"
                " editor. It may have to do with this.</ide_opened_file>",
            },
            {"type": "text", "text": "Why?"},
        ],
        (
            EditorNote(
                "Opened app.py in the editor",
                "A person opened the file /w/app.py in the editor. It may have to do with this.",
            ),
            Prompt("Why?"),
        ),
    ),
    (
        "<ide_selection>The user selected the lines 1 to 2 from /w/app.py:\nx = 1\n</ide_selection>"
        "why?",
        (
            EditorNote(
                "Selected in the editor, in app.py",
                "The user selected the lines 1 to 2 from /w/app.py:\nx = 1",
            ),
            Prompt("why?"),
        ),
    ),
    (
        "<ide_diagnostics>[]</ide_diagnostics>",
        (EditorNote("Diagnostics of the editor", "[]"),),
    ),
    (
        '<terminal name="zsh">make: error</terminal>\nwhy?',
        (EditorNote("From the terminal zsh", "make: error"), Prompt("why?")),
    ),
    # tasks and others
    (f"<task-notification>\n{TASK}\n</task-notification>", (TaskNotification("a1", "toolu_1"),)),
    (
        f"<task-notification>{TASK}</task-notification>\nRead the output file to retrieve it: /x",
        (TaskNotification("a1", "toolu_1"),),
    ),
    (
        '<teammate-message teammate_id="ann" color="red">Done.</teammate-message>',
        (OtherMessage("ann", "Done."),),
    ),
    (
        'Another Claude session sent a message:\n<cross-session-message from="ann">Hi'
        "</cross-session-message>\n\nA program sent this.",
        (OtherMessage("ann", "Hi"),),
    ),
    (" \n", ()),
    (None, ()),
]


@pytest.mark.parametrize(("content", "parts"), FORMS)
def test_an_entry_that_does_not_name_its_author_is_read_by_its_form(
    content: object, parts: tuple[Part, ...]
) -> None:
    assert parts_of(entry(content)) == parts


def test_editor_attachments_are_separate_from_the_entered_text() -> None:
    note = {"type": "text", "text": "<ide_opened_file>x.py</ide_opened_file>"}
    own = {"type": "text", "text": "<ide_opened_file>mine</ide_opened_file>"}
    parts = parts_of(entry([note, own], promptSource="sdk"))
    assert parts == (
        EditorNote("Opened a file in the editor", "x.py"),
        Prompt("<ide_opened_file>mine</ide_opened_file>"),
    )


def test_newer_versions_note_the_editor_in_lines_of_their_own() -> None:
    selected = {
        "type": "selected_lines_in_ide",
        "filename": "/w/app.py",
        "lineStart": 3,
        "lineEnd": 5,
        "content": "x = 1",
    }
    opened = {"type": "opened_file_in_ide", "filename": "/w/app.py"}
    lines = [line(type="attachment", uuid=a["type"], attachment=a) for a in (selected, opened)]
    blocks = fold(tuple(lines), run_id=None).blocks
    assert [(block.id, look(block)) for block in blocks] == [
        ("selected_lines_in_ide", "notice Selected in the editor, in app.py, lines 3 to 5: x = 1"),
        ("opened_file_in_ide", "notice Opened app.py in the editor: /w/app.py"),
    ]


def test_a_system_line_is_a_command_only_if_it_says_so() -> None:
    def parts(subtype: str) -> tuple[Part, ...]:
        event = parser.parse(line(type="system", subtype=subtype, uuid="u", content=FULL_COMMAND))
        assert isinstance(event, SystemEvent)
        return parts_of_event(event)

    assert parts("local_command") == (
        SlashCommand("/model", "opus <b> & </command-args>", local=True),
    )
    assert parts("informational") == ()


def test_an_agent_has_ended_only_if_no_person_entered_the_note() -> None:
    note = f"<task-notification>\n{TASK}\n</task-notification>"
    assert subagents.ended(entry(note, origin={"kind": "task-notification"})) == ("toolu_1", "a1")
    assert subagents.ended(entry(note)) == ("toolu_1", "a1"), "an old file"
    assert subagents.ended(entry(note, promptSource="typed")) is None
    assert subagents.ended(entry(f"{note} explain")) is None


class Counted(str):
    """A text that counts the characters searched and copied."""

    looked_at = 0

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        begin = arguments[1] if len(arguments) > 1 else 0
        end = arguments[2] if len(arguments) > 2 else len(self)
        Counted.looked_at += (found if found >= 0 else min(end, len(self))) - begin
        return found

    def rfind(self, *arguments: Any) -> int:
        found = super().rfind(*arguments)
        end = arguments[2] if len(arguments) > 2 else len(self)
        begin = arguments[1] if len(arguments) > 1 else 0
        Counted.looked_at += end - (found if found >= 0 else begin)
        return found

    def __getitem__(self, key: Any) -> str:
        found = super().__getitem__(key)
        Counted.looked_at += len(found)
        return found


@pytest.mark.parametrize(
    "piece",
    [
        "<system-reminder>a</system-reminder>\n",
        "<system-reminder>",
        "</system-reminder>\n",
        "<ide_selection>a</ide_selection><ide_selection>",
        "<system-reminder><ide_diff>",
        " \n",
    ],
)
def test_blocks_are_found_in_linear_time(piece: str) -> None:
    text = Counted(piece * 2000)
    Counted.looked_at = 0
    tags = ("system-reminder", "ide_selection", "ide_diff")
    begin, _ = tagged.leading(text, tags)
    tagged.trailing(text, begin, tags)
    assert Counted.looked_at < 6 * len(text)


# --- the real CLI ---------------------------------------------------------------------------

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


def fold_file(path: Path) -> Transcript:
    return fold(tuple(path.read_bytes().splitlines(keepends=True)), run_id=None)


def seen(path: Path) -> FileSummary:
    stat = path.stat()
    return summarize(path, stat.st_size, stat.st_mtime_ns)


def prompt_count(path: Path) -> int | None:
    """As for a list, without the lines that only make the file long."""
    short = path.with_suffix(".short")
    kept = (each for each in path.read_bytes().splitlines(keepends=True) if len(each) < 5000)
    short.write_bytes(b"".join(kept))
    return count_prompts(short, short.stat().st_size, short.stat().st_mtime_ns)


def look(block: Block) -> str:
    match block:
        case ShellBlock():
            return f"shell {block.command} | {block.stdout} | {block.stderr}"
        case PromptBlock(local=True):
            return f"command {block.text}"
        case NoticeBlock(detail=detail) if detail:
            return f"notice {block.text}: {detail}"
        case PromptBlock() | NoticeBlock() | ErrorBlock():
            return f"{block.kind} {block.text}"
        case _:
            return block.kind


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


# --- made-up files, through a real server ----------------------------------------------------

SESSION = "00000103-0000-4000-8000-000000000000"
FOLDER = "/home/me/code/demo"
PROJECT = "-home-me-code-demo"


def bash_mode() -> list[dict[str, Any]]:
    """A session that begins with `!ls -la`, as version 2.1.330 notes it."""
    caveat = "<local-command-caveat>Caveat: The messages below…</local-command-caveat>"
    said: list[dict[str, Any]] = [
        {"type": "user", "message": {"content": caveat}, "isMeta": True},
        {"type": "user", "message": {"content": "<bash-input>ls -la</bash-input>"}},
        {
            "type": "user",
            "message": {
                "content": "<bash-stdout>total 8\nfile.txt</bash-stdout>"
                "<bash-stderr>ls: &lt;x&gt;: no</bash-stderr>"
            },
        },
        {"type": "user", "message": {"content": "what is in the folder"}},
        {
            "type": "assistant",
            "message": {"id": "msg_1", "content": [{"type": "text", "text": "a file"}]},
        },
    ]
    return chained(said)


def chained(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    entries = []
    for number, each in enumerate(said, start=1):
        parent = f"line-{number - 1}" if number > 1 else None
        about = {"uuid": f"line-{number}", "parentUuid": parent, "cwd": FOLDER}
        stamp = {"timestamp": f"2026-11-27T10:00:{number:02}.000Z", "sessionId": SESSION}
        entries.append({**about, **stamp, **each})
    return entries


def own_words() -> list[dict[str, Any]]:
    typed = {"promptSource": "typed", "origin": {"kind": "human"}}
    return chained(
        [{"type": "user", "message": {"content": words}, **typed} for words in OWN_WORDS]
    )


def put(server: Server, entries: list[dict[str, Any]]) -> str:
    """Keep the entries as a session; the path of its page."""
    session = str(uuid.uuid4())
    path = server.sandbox.config_dir / "projects" / PROJECT / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line(**each) for each in entries))
    return f"/projects/{PROJECT}/sessions/{session}"


def listed(server: Server, path: str) -> dict[str, Any]:
    """The entry of the API's list for the session with this page."""
    every = get(server, f"/api/projects/{PROJECT}/sessions")
    (found,) = (each for each in every if path.endswith(each["id"]))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


def test_bash_mode_is_a_terminal_on_the_page_in_search_export_and_api(server: Server) -> None:
    path = put(server, bash_mode())
    page = server.get(path).text
    assert page.count("block-shell") == 1
    assert "$ ls -la" in page
    assert "ls: &lt;x&gt;: no" in page
    for tag in ("bash-input", "bash-stdout", "bash-stderr", "caveat"):
        assert f"&lt;{tag}" not in page
    assert ">what is in the folder</h1>" in page
    assert listed(server, path)["first_message"] == "what is in the folder"
    assert server.get(f"{path}/blocks/line-2").text == (
        "$ ls -la\n\ntotal 8\nfile.txt\n\nls: <x>: no"
    )
    export = server.get(f"{path}/export.md").text
    assert "```\n$ ls -la\ntotal 8\nfile.txt\n```\n\n```\nls: <x>: no\n```" in export
    assert "Terminal, its output" in server.get(f"{path}/search?q=file.txt").text
    assert "1 message" in server.get(f"/projects/{PROJECT}").text


def test_a_session_of_shell_commands_only_is_named_after_the_first(server: Server) -> None:
    path = put(server, bash_mode()[:3])
    assert listed(server, path)["first_message"] == "! ls -la"
    assert ">! ls -la</h1>" in server.get(path).text


def test_words_with_tags_are_verbatim_on_the_page_in_export_and_api(server: Server) -> None:
    path = put(server, own_words())
    page = server.get(path).text
    export = server.get(f"{path}/export.md").text
    for words in OWN_WORDS:
        assert words.replace("<", "&lt;").replace(">", "&gt;") in page
        assert words in export
    assert page.count("block-prompt") == len(OWN_WORDS)
    assert listed(server, path)["first_message"] == OWN_WORDS[0]


# --- one thing once -------------------------------------------------------------------------


def test_output_belongs_to_the_command_that_its_line_follows() -> None:
    def user(uuid: str, content: str, parent: str = "") -> bytes:
        return line(type="user", uuid=uuid, parentUuid=parent, message={"content": content})

    first, second = (f"<bash-input>{name}</bash-input>" for name in ("one", "two"))
    lines = [
        user("a", first),
        user("b", second),
        user("c", "<bash-stdout>1</bash-stdout>", "a"),
        user("d", "<bash-stderr>2</bash-stderr>", "c"),
        user("e", "<bash-stdout>3</bash-stdout>", "elsewhere"),
        user("f", "words"),
        user("g", "<bash-stdout>4</bash-stdout>", "elsewhere"),
    ]
    expected = ["shell one | 1 | 2", "shell two | 3 | ", "prompt words", "shell  | 4 | "]
    assert [look(block) for block in fold(tuple(lines), run_id=None).blocks] == expected
    repeated = fold((*lines, *lines), run_id=None).blocks
    assert [look(block) for block in repeated] == expected, "each line counts once"


def test_duplicate_line_is_shown_and_counted_once(tmp_path: Path) -> None:
    entries = bash_mode()
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join(line(**each) for each in [*entries, *entries]))
    assert [look(block) for block in fold_file(path).blocks] == [
        "shell ls -la | total 8\nfile.txt | ls: <x>: no",
        "prompt what is in the folder",
        "text",
    ]
    assert prompt_count(path) == 1


def test_output_with_colours_is_a_terminal_and_an_error_is_an_error() -> None:
    def shown(output: str, tag: str = "stdout") -> str:
        content = f"<local-command-{tag}>{output}</local-command-{tag}>"
        event = line(type="system", subtype="local_command", uuid="u", content=content)
        (block,) = fold((event,), run_id=None).blocks
        return look(block)

    assert shown("\x1b[1mone\x1b[0m\ntwo") == "shell  | \x1b[1mone\x1b[0m\ntwo | "
    assert shown("\x1b[1mone\x1b[0m") == "notice one"
    assert shown("no \x1b[31msuch\x1b[0m thing", "stderr") == "error no such thing"


def test_notes_are_folded_and_found_by_search() -> None:
    note = "<user-memory-input>use tabs</user-memory-input>"
    blocks = fold((line(type="user", uuid="m", message={"content": note}),), run_id=None).blocks
    assert [look(block) for block in blocks] == ["notice Added to Claude's memory: use tabs"]
    assert "<details" in fragments().block(blocks[0])
    assert [hit.where for hit in search.find(blocks, "tabs")] == ["Notice"]
    assert "use tabs" in to_markdown.source(blocks[0])


# --- names ----------------------------------------------------------------------------------


def test_a_summary_names_the_session_whose_entry_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"

    def name(*entries: dict[str, Any]) -> str | None:
        path.write_bytes(b"".join(line(**each) for each in entries))
        return seen(path).name

    leaf = {"type": "user", "uuid": "leaf-1", "message": {"content": "hello"}}
    own = {"type": "summary", "summary": "Mine", "leafUuid": "leaf-1"}
    foreign = {"type": "summary", "summary": "Another's", "leafUuid": "leaf-2"}
    assert name(foreign, leaf) is None
    assert name(own, foreign, leaf) == "Mine"
    assert name(own, leaf, {**own, "summary": "Newer"}) == "Newer"
    assert name(own, leaf, {"type": "ai-title", "aiTitle": "By Claude"}) == "By Claude"
    assert name(leaf, {"type": "agent-name", "agentName": "x"}) is None
    assert name(leaf, {"type": "summary", "summary": "No leaf"}) is None
    filler = {"type": "assistant", "text": "x" * 100_000}
    assert name(foreign, own, *[filler] * 4, leaf, *[filler] * 4) == "Mine", "in mid-file"


def test_every_part_has_a_place_in_this_table() -> None:
    covered = {type(part) for _, parts in FORMS for part in parts}
    assert covered == set(user_parts.Part.__args__)
