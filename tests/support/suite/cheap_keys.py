"""The stored fingerprint of a password, without the time that a stranger's guesses are to take.

A server and an app derive one at their start, and the tests start nearly a thousand of them.
"""

from __future__ import annotations

from opcode_htmx.web.auth import tokens


def use() -> None:
    """For the apps of this process, and of those forked from it."""
    tokens._SCRYPT["n"] = 2
