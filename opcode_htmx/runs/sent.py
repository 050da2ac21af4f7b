"""The texts that were sent to a run, by their ids."""

from __future__ import annotations

from .run import Run


def text_sent(run: Run, prompt_id: str) -> str | None:
    """The text of the prompt that was sent under this id; None if none was.

    Claude's line about a prompt may be read before the line that was sent: both are files.
    """
    if prompt_id not in run.state.sent:
        run.catch_up()
    return run.state.sent.get(prompt_id)
