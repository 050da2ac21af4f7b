"""The prompts of a session that Claude has not taken up: waiting ones, and those left unread."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from opcode_htmx.engines.messages import User
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import TAKEN_BACK


class PromptNotFound(Exception):
    """No prompt with this id was sent to the run."""


class PromptTaken(Exception):
    """A prompt cannot be taken back, because Claude has it; the text says so."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A prompt that was sent and not taken up; `left`: its run has ended before."""

    run_id: str
    prompt_id: str
    text: str
    left: bool


def queue(runs: Sequence[Run]) -> list[Queued]:
    """The queued prompts of the runs of a session, oldest first; the runs are up to date."""
    queued = []
    for number, run in enumerate(runs):
        later = runs[number + 1 :]
        for prompt_id, text in run.state.waiting.items():
            if not any(prompt_id in other.state.sent for other in later):
                queued.append(Queued(run.id, prompt_id, text, left=not run.live))
    return queued


def take_back(run: Run, prompt_id: str, *, by: Identity) -> User:
    """Take a prompt out of the queue, or off the list of those left unread, and return it.

    Raises PromptNotFound, PromptTaken when Claude has it already, ControlRefused, RunNotLive.
    """
    run.fold_new_lines()
    prompt = waiting_prompt(run, prompt_id)
    if run.phase is Phase.QUEUED:
        run.note(run.codec.withdrawn_line(prompt_id))
        if not run.state.waiting:
            run.stop(cause=TAKEN_BACK, by=by)
    elif run.live:
        if not control_requests.cancel_prompt(run, prompt_id):
            raise PromptTaken("Claude has taken this prompt up already.")
    else:
        run.note(run.codec.withdrawn_line(prompt_id))
    session_id = run.record.session_id
    log_act(by, "prompt.take_back", session=session_id, run=run.id, prompt=prompt_id)
    return prompt


def waiting_prompt(run: Run, prompt_id: str) -> User:
    """A prompt that was sent and not taken up. Raises PromptNotFound, PromptTaken."""
    if prompt_id not in run.state.sent:
        raise PromptNotFound("There is no such prompt.")
    if prompt_id in run.state.waiting:
        return next(waiting_lines(run, {prompt_id}))[1]
    raise PromptTaken("This prompt does not wait any more.")


def sent_prompt(run: Run, prompt_id: str) -> User | None:
    """The prompt with this id as it was sent to the run; None if none was, or it is gone."""
    if prompt_id not in run.state.sent:
        run.fold_new_lines(last=run.record.end is not None)
    if prompt_id not in run.state.sent:
        return None
    try:
        return next((prompt for _, prompt in waiting_lines(run, {prompt_id})), None)
    except FileNotFoundError:
        return None


def waiting_lines(run: Run, prompt_ids: Collection[str]) -> Iterator[tuple[bytes, User]]:
    """The prompts with these ids, in the order of the log: each line and its message."""
    wanted = [each.encode() for each in prompt_ids]
    with run.folder.input_log.open("rb") as log:
        for line in log:
            message = run.codec.parse(line) if any(each in line for each in wanted) else None
            if isinstance(message, User) and message.uuid in prompt_ids:
                yield line, message
