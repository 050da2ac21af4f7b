"""Metadata that are folded from lines."""

from __future__ import annotations

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import line


def fold(*lines: bytes, live: bool = True) -> Transcript:
    transcript = Transcript("1", run_id="r" if live else None)
    end = 0
    for each in lines:
        end += len(each)
        transcript.feed(parser.parse(each), end)
    return transcript


def assistant(name: str, *content: object, **fields: object) -> bytes:
    message = {"id": name, "content": content, "usage": fields.pop("usage", {})}
    return line(type="assistant", uuid=name, message=message, **fields)
