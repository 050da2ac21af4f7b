"""A session of lines made by hand, and the texts on its page."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.transcript.blocks import Block, TextBlock
from opcode_htmx.transcript.conversation.conversation import Conversation
from tests.support.cli.captured import line
from tests.support.cli.supervision import owned

SESSION = "11111111-1111-4111-8111-111111111111"


@dataclass
class Session:
    """The files of one session, as Claude and this server write them."""

    root: Path
    runs: list[Run] = field(default_factory=list)

    @property
    def history(self) -> Path:
        return self.root / f"{SESSION}.jsonl"

    def conversation(self) -> Conversation:
        """A conversation that has read nothing yet, as in another server."""
        return Conversation(
            SESSION,
            runs=lambda: self.runs,
            history_file=lambda: self.history if self.history.exists() else None,
            changed=Broadcast(),
        )

    def note(self, *lines: bytes) -> None:
        """Claude appends to its history."""
        with self.history.open("ab") as file:
            file.write(b"".join(lines))

    def size(self) -> int:
        return self.history.stat().st_size if self.history.exists() else 0

    def begin(self) -> Run:
        """A run as the supervisor makes it, without its process."""
        run_id = uuid.uuid4().hex
        folder = RunFolder.create(self.root / "runs", run_id)
        record = RunRecord(
            id=run_id,
            session_id=SESSION,
            project_path=str(self.root),
            argv=("claude",),
            created_at=float(len(self.runs)),
            history_start=self.size(),
        )
        folder.store(record)
        run = owned(folder, record, lambda _: self.size())
        self.runs.append(run)
        return run


def prompt(text: str) -> bytes:
    return line(type="user", uuid=f"p-{text}", message={"content": text}, isReplay=True)


def answer(text: str) -> bytes:
    message = {"id": f"m-{text}", "content": [{"type": "text", "text": text}]}
    return line(type="assistant", uuid=f"u-{text}", message=message)


def turn(text: str) -> tuple[bytes, bytes]:
    return prompt(text), answer(f"{text}!")


RESULT = line(type="result", subtype="success", uuid="", is_error=False)


def say(run: Run, *lines: bytes) -> None:
    """Claude writes to its stdout."""
    with run.folder.output.open("ab") as file:
        file.write(b"".join(lines))


def words(conversation: Conversation) -> list[str]:
    """The texts on the page."""
    conversation.refresh()
    return [text_of(block) for block in conversation.blocks() if block.kind != "summary"]


def text_of(block: Block) -> str:
    return "".join(block.source) if isinstance(block, TextBlock) else getattr(block, "text", "")


def shown(conversation: Conversation) -> list[Block]:
    conversation.refresh()
    return list(conversation.blocks())
