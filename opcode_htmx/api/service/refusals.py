"""What the API refuses for reasons of its own. Imported by every start, so it imports nothing."""

from __future__ import annotations


class NotStopped(Exception):
    """The processes of a run are still there after the deadline."""


class BadCursor(ValueError):
    """A cursor that this server did not issue, or whose run is gone."""
