"""The capabilities that Claude listed when a run began, from the first lines of its output."""

from __future__ import annotations

from itertools import islice

from opcode_htmx.engines.base import CapabilityCodec
from opcode_htmx.engines.capabilities import Model
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from opcode_htmx.engines.messages import ControlResponse
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.run_folder import RunFolder

LINES = 20
"""Claude answers within so many lines: before it takes up the first prompt."""


def models_offered_to(folder: RunFolder, codec: CapabilityCodec) -> tuple[Model, ...]:
    """The models that Claude listed for this run; none if it did not, or the folder is gone."""
    try:
        for line in islice(LineReader(folder.output).read(), LINES):
            if INITIALIZE_ID.encode() in line.data:
                answer = codec.parse(line.data)
                if isinstance(answer, ControlResponse) and answer.ok:
                    return codec.capabilities_of(answer.response).models
    except OSError:
        pass
    return ()
