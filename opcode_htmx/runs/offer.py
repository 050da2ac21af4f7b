"""What Claude offered when a run began, from the first lines of the run's output."""

from __future__ import annotations

from itertools import islice

from opcode_htmx.claude import stream
from opcode_htmx.claude.capabilities import Model, models_of
from opcode_htmx.claude.messages import ControlResponse
from opcode_htmx.claude.outgoing import INITIALIZE_ID
from opcode_htmx.runs.folder import RunFolder
from opcode_htmx.runs.tail import LineReader

LINES = 20
"""Within which Claude answers: it does so before it takes up the first prompt."""


def models_offered_to(folder: RunFolder) -> tuple[Model, ...]:
    """The models that Claude listed for this run; none if it did not, or the folder is gone."""
    try:
        for line in islice(LineReader(folder.output).read(), LINES):
            if INITIALIZE_ID.encode() in line.data:
                answer = stream.parse(line.data)
                if isinstance(answer, ControlResponse) and answer.ok:
                    return models_of(answer.response)
    except OSError:
        pass
    return ()
