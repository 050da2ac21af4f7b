"""Channels of a transcript: every field of Claude's lines that reaches a session's page.

Each makes the lines that plant one vector, as Claude writes them to stdout or into its history.
"""

from __future__ import annotations

from tests.security.corpus.transcript.lines import Channel
from tests.security.corpus.transcript.notes import NOTES
from tests.security.corpus.transcript.prompts_and_answers import ANSWERS, PROMPTS
from tests.security.corpus.transcript.requests import REQUESTS
from tests.security.corpus.transcript.results import RESULTS
from tests.security.corpus.transcript.tools import TOOLS

CHANNELS: tuple[Channel, ...] = (*PROMPTS, *ANSWERS, *TOOLS, *RESULTS, *REQUESTS, *NOTES)
