"""Session files that are written into odd places."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.support.clients import api
from tests.support.environment import Sandbox


def spoken(folder: str | None, *texts: str) -> str:
    """The lines of a conversation; without a folder they have no cwd."""
    lines, parent = "", None
    for number, text in enumerate(texts):
        id_ = str(uuid.uuid4())
        role = "assistant" if number % 2 else "user"
        message = {
            "role": role,
            "content": [{"type": "text", "text": text}] if number % 2 else text,
        }
        entry = {"type": role, "uuid": id_, "parentUuid": parent, "message": message}
        where = {"cwd": folder} if folder else {}
        lines += api.line({**entry, **where, "timestamp": api.stamp(api.NOON + number)})
        parent = id_
    return lines


def put(sandbox: Sandbox, folder: str, session_id: str = "", *, cwd: bool = True) -> Path:
    text = spoken(folder if cwd else None, "Plant a tree", "An apple tree stands there.")
    return api.session(sandbox.config_dir, folder, text, session_id)
