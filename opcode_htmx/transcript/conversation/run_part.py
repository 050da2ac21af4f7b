"""The part of a conversation that comes from the stdout of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from opcode_htmx.engines.messages import (
    Assistant,
    Message,
    MessageStart,
    SystemEvent,
    User,
)
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.control.sent_prompts import SentPrompts
from opcode_htmx.runs.following.followed_run import error_lines
from opcode_htmx.runs.following.output_follower import OutputFollower
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.transcript.fold import Transcript


@dataclass(slots=True)
class RunPart:
    """The transcript of one run, and the ids that its lines have in Claude's history."""

    number: int
    """Odd; the history before the run has the preceding even number."""
    run: Run
    transcript: Transcript
    lines: OutputFollower
    folded_to: int = 0
    """The end of the last line that is folded completely."""
    is_closed: bool = False
    tip: str = ""
    """The uuid of the run's newest line in Claude's history."""
    last_turn: str = ""
    """The uuid of the run's newest prompt or answer in Claude's history."""
    _line_ends: dict[str, int] = field(default_factory=dict)
    """The byte offsets at which lines end in stdout, by their uuids."""
    _message_ids: set[str] = field(default_factory=set)
    """The ids of the model's messages."""

    @classmethod
    def of(cls, run: Run, number: int, is_taken: Callable[[str], bool]) -> RunPart:
        """The part of a run, of which nothing has been read yet."""
        cost = 0.0 if run.record.history_start == 0 else None
        sent = SentPrompts(run)
        transcript = Transcript(
            f"{number}",
            run_id=run.id,
            cost_before=cost,
            is_taken=is_taken,
            sent_text=sent.text,
            sent_prompt=sent.prompt,
        )
        return cls(number, run, transcript, OutputFollower(run, needs_messages=True))

    def fold(self) -> int:
        """Fold the lines that are new; the number of their bytes."""
        if self.is_closed:
            return 0
        end, size, slicer = self.run.record.end, 0, TimeSlicer()
        for line in self.lines.read(last=end is not None):
            self.transcript.feed(line.message, line.end)
            self._remember(line.message, line.end)
            slicer.step()
            self.folded_to = line.end
            size += len(line.data)
        if end is not None:
            self.is_closed = True
            self.transcript.close(*_closing_texts(self.run))
            self.folded_to = self.transcript.offset
            # The state of a run that ended under an earlier server is not folded yet
            self.run.fold_new_lines(last=True)
            self.lines.close()
        return size

    def _remember(self, message: Message, end: int) -> None:
        match message:
            case MessageStart(message_id=message_id, parent=None):
                self._message_ids.add(message_id)
            case Assistant(uuid=uuid, parent=None):
                self._message_ids.add(message.message_id)
                self._line_ends[uuid] = end
            case User(uuid=uuid, parent=None) | SystemEvent(uuid=uuid) if uuid:
                self._line_ends[uuid] = end
            case _:
                pass

    # --- entries of history that belong to this run -----------------------------------------

    def end_of(self, uuid: str) -> int | None:
        """The byte offset at which a line ends in stdout; None if stdout does not hold it."""
        return self._line_ends.get(uuid)

    def has_written(self, message: Message) -> bool:
        """Whether an entry of history is this run's, even if no line of stdout has its uuid.

        The CLI omits texts without words from stdout, and files prompts under other uuids.
        """
        match message:
            case Assistant():
                return message.message_id in self._message_ids
            case User():
                return message.uuid in self._line_ends or message.uuid in self.run.state.sent
            case _:
                return False


def _closing_texts(run: Run) -> tuple[str, str]:
    """The error and the notice that end the transcript of a run; either may be empty."""
    end = run.record.end
    if end is None:
        return "", ""
    stderr = "\n".join(error_lines(run))
    match end.outcome:
        case Outcome.COMPLETED | Outcome.CANCELLED:
            return "", stderr
        case _:
            return "\n".join(filter(None, (end.cause, stderr))), ""
