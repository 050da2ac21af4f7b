"""The refusal of a request to the API. Imported by every start, so it imports nothing."""

from __future__ import annotations


class InvalidRequest(Exception):
    """What was sent cannot be used here; the text says in one sentence what is wrong."""
