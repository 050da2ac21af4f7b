"""The parts of a `user` entry: values only. An engine reads them from its entries."""

from __future__ import annotations

from typing import TypeAlias

from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """A person's words, unchanged."""

    text: str


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """`/name arguments`. `local`: the CLI ran it by itself, without the model."""

    name: str
    arguments: str
    local: bool

    @property
    def text(self) -> str:
        return f"{self.name} {self.arguments}".strip()


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """The output of a slash command; may hold terminal escapes."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """`!command`, typed at the terminal."""

    command: str


@dataclass(frozen=True, slots=True)
class ShellOutput:
    """The output of a `!command`, or a part of it; may hold terminal escapes."""

    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Interruption:
    text: str


@dataclass(frozen=True, slots=True)
class MemoryNote:
    """`# text`, added to Claude's memory by older versions."""

    text: str


@dataclass(frozen=True, slots=True)
class EditorNote:
    """An attachment of an editor, a terminal or a browser; `title` describes it in a few words."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class HookNote:
    """Text that a hook of the person's has added to a prompt."""

    event: str
    text: str


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """A message that is not from the person: from another session, a plugin, a channel."""

    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class TaskNotification:
    """A background task has ended. Ids are empty where the note does not name them."""

    task_id: str
    tool_use_id: str


@dataclass(frozen=True, slots=True)
class ModelNote:
    """For the model alone: a caveat, a reminder, a summary of what was compacted.

    `attached`: it is in one text with a person's prompt.
    """

    text: str
    attached: bool = False


Part: TypeAlias = (
    Prompt
    | SlashCommand
    | CommandOutput
    | ShellCommand
    | ShellOutput
    | Interruption
    | MemoryNote
    | EditorNote
    | HookNote
    | OtherMessage
    | TaskNotification
    | ModelNote
)
