"""Sessions of the stand-in that have run into a usage limit, for the tests of going on after it."""

from __future__ import annotations

import time

from tests.support.cli.supervision import new_id, steps
from tests.support.environment import until
from tests.support.server import Server

HOURS = 3
TEXT = "I have looked at all files and will begin."


def until_reset() -> int:
    """When the limit is reset, as a Unix time."""
    return int(time.time()) + HOURS * 3600


def reach_limit(server: Server, resets_at: int) -> str:
    """Begin a session that runs into the limit; the address of its page."""
    info = {"status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour"}
    line = {"type": "rate_limit_event", "uuid": new_id(), "rate_limit_info": info}
    return begin(server, steps(["text", TEXT], ["say", line]))


def begin(server: Server, prompt: str) -> str:
    """Begin a session, and wait for the end of its turn; the address of its page."""
    ids = {"session_id": new_id(), "prompt_id": new_id()}
    form = {**ids, "folder": str(server.sandbox.project), "prompt": prompt}
    address = str(server.post("/sessions", form).headers["Location"]).partition("#")[0]
    until(lambda: "Ready for the next prompt" in server.get(address).text, "the turn is over")
    return address
