"""The part of a conversation that one run has written to its stdout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import (
    Assistant,
    Message,
    MessageStart,
    SystemEvent,
    User,
)
from opcode_htmx.lib.cooperative import TimeSlicer
from opcode_htmx.runs.control.run import Run, error_lines
from opcode_htmx.runs.control.sent_prompts import SentPrompts
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.transcript.fold import Transcript


@dataclass(slots=True)
class RunPart:
    """One run: its transcript, and the ids by which Claude's history names the same lines."""

    number: int
    """Odd; the history in front of the run has the even number before it."""
    run: Run
    transcript: Transcript
    reader: LineReader
    whole: int = 0
    """The revision up to which everything has been folded: in the middle of a line, that before."""
    is_closed: bool = False
    tip: str = ""
    """The newest line of this run that Claude's history holds."""
    last_turn: str = ""
    """The newest prompt or answer of this run that Claude's history holds."""
    _ends: dict[str, int] = field(default_factory=dict)
    """Where the lines end in stdout, by their uuids."""
    _messages: set[str] = field(default_factory=set)
    """The ids of the model's messages."""

    @classmethod
    def of(cls, run: Run, number: int, taken: Callable[[str], bool]) -> RunPart:
        """The part of a run, of which nothing has been read yet."""
        cost = 0.0 if run.record.history_start == 0 else None
        sent = SentPrompts(run)
        transcript = Transcript(
            f"{number}",
            run_id=run.id,
            cost_before=cost,
            taken=taken,
            sent_text=sent.text,
            sent_prompt=sent.prompt,
        )
        return cls(number, run, transcript, LineReader(run.folder.output))

    def fold(self) -> int:
        """Fold what was written since; how many bytes that was."""
        if self.is_closed:
            return 0
        end, size, pace = self.run.record.end, 0, TimeSlicer()
        for line in self.reader.read(last=end is not None):
            message = parser.parse(line.data)
            self.transcript.feed(message, line.end)
            self._remember(message, line.end)
            pace.step()
            self.whole = line.end
            size += len(line.data)
        if end is not None:
            self.is_closed = True
            self.transcript.close(*_last_words(self.run))
            self.whole = self.transcript.offset
            # A run that an earlier server saw end has not been folded for its own state yet
            self.run.fold_new_lines(last=True)
        return size

    def _remember(self, message: Message, end: int) -> None:
        match message:
            case MessageStart(message_id=message_id, parent=None):
                self._messages.add(message_id)
            case Assistant(uuid=uuid, parent=None):
                self._messages.add(message.message_id)
                self._ends[uuid] = end
            case User(uuid=uuid, parent=None) | SystemEvent(uuid=uuid) if uuid:
                self._ends[uuid] = end
            case _:
                pass

    # --- what history says of the same ------------------------------------------------------

    def end_of(self, uuid: str) -> int | None:
        """Where the line with this uuid ends in stdout; None if stdout does not hold it."""
        return self._ends.get(uuid)

    def has_written(self, message: Message) -> bool:
        """Whether an entry of history is this run's, although no line of stdout has its uuid.

        The CLI leaves texts without words out of stdout, and files prompts under other uuids.
        """
        match message:
            case Assistant():
                return message.message_id in self._messages
            case User():
                return message.uuid in self._ends or message.uuid in self.run.state.sent
            case _:
                return False


def _last_words(run: Run) -> tuple[str, str]:
    """What the transcript says about the end of a run: an error, and a notice."""
    end = run.record.end
    if end is None:
        return "", ""
    stderr = "\n".join(error_lines(run))
    match end.outcome:
        case Outcome.COMPLETED | Outcome.CANCELLED:
            return "", stderr
        case _:
            return "\n".join(filter(None, (end.cause, stderr))), ""
