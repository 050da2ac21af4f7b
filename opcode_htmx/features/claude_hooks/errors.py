"""Why an act on hooks is refused."""

from __future__ import annotations


class HookGone(Exception):
    """The hook is not in the file any more; the text is a sentence for the user."""


class InvalidHooks(Exception):
    """Hooks that Claude would not read; the text says why."""
