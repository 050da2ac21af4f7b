"""Session files of a few lines, and what is listed of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.files import sessions

ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def user(content: object, at: float = NOON, cwd: str = "/home/me/shop", **more: object) -> str:
    entry = {"type": "user", "cwd": cwd, "timestamp": stamp(at), **more}
    return line({**entry, "message": {"role": "user", "content": content}})


def line(entry: Any) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"


def write(
    config: Path, text: str, name: str = f"{ONE}.jsonl", project: str = "-home-me-shop"
) -> Path:
    path = config / "projects" / project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def only(config: Path, project: str = "-home-me-shop") -> sessions.SessionSummary:
    (found,) = sessions.sessions(config, project)
    return found


def first_prompt(config: Path, text: str) -> str:
    write(config, text)
    return only(config).first_prompt
