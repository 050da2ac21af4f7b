"""Identifiers that every engine and the runs agree on: of sessions, and of our own requests."""

from __future__ import annotations

import re

SESSION_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""The CLI takes an id in either case, and names the file as it was written."""

OWN_REQUEST_PREFIX = "opcode-"
"""The ids of our own requests begin with it."""

INITIALIZE_ID = f"{OWN_REQUEST_PREFIX}initialize"
"""The id of the request for the engine's capabilities, the first of every process."""
INTERRUPT_ID = f"{OWN_REQUEST_PREFIX}interrupt"
