"""User entries and files of them made by hand, and what is seen of them in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.files.session_summary import FileSummary, count_prompts, summarize
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import User
from opcode_htmx.transcript.blocks import Block, ErrorBlock, NoticeBlock, PromptBlock, ShellBlock
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import fold, line

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


SESSION = "00000103-0000-4000-8000-000000000000"
FOLDER = "/home/me/code/demo"


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
