"""Channels onto all other pages: titles, folders, files, drafts, queries, forms, exports, JSON.

Each plants some vectors in a sandbox or a running server and gives the answers in which they
show: pages as HTML, and what programs get.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from opcode_htmx.engines.claude.files.history import project_id
from tests.security.corpus.vectors import Plant
from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

TITLE = 60
"""Characters of a text that a list shows for certain."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the server, and the marks that must be seen in it."""

    channel: str
    answer: requests.Response
    marks: tuple[str, ...] = ()
    is_export: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and a folder for what is planted."""

    server: Server
    folder: Path

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(
            self.server.url + path, auth=(USER, PASSWORD), timeout=60, headers=headers
        )

    def post(self, path: str, form: dict[str, str], **files: object) -> requests.Response:
        data = {name.encode(): sendable(value).encode() for name, value in form.items()}
        return requests.post(
            self.server.url + path,
            data=data,
            auth=(USER, PASSWORD),
            timeout=60,
            **files,  # type: ignore[arg-type]
        )

    def session(self, cwd: str, *entries: dict[str, object]) -> str:
        """A session that worked in `cwd`; the address of its page."""
        folder = project_id(Path(cwd))
        path = self.server.sandbox.config_dir / "projects" / folder / f"{uuid.uuid4()}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        prompt = {
            "type": "user",
            "uuid": "p",
            "cwd": cwd,
            "message": {"role": "user", "content": "Grow"},
        }
        path.write_text("".join(f"{json.dumps(each)}\n" for each in (prompt, *entries)))
        return f"/projects/{folder}/sessions/{path.stem}"


Planting = Callable[[Place, Sequence[Plant]], Iterator[Page]]


def registers(channels: dict[str, Planting]) -> Callable[[str], Callable[[Planting], Planting]]:
    """A decorator for the functions of a module that plant, by the names of their channels."""

    def channel(name: str) -> Callable[[Planting], Planting]:
        def register(planting: Planting) -> Planting:
            channels[name] = planting
            return planting

        return register

    return channel


def sendable(text: str) -> str:
    """A text as a form can carry it: without half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def file_name(plant: Plant) -> str:
    """A vector as the name of a file, as far as a file can have it."""
    text = sendable(plant.line).replace("/", "\u2215").replace("\0", "")
    name = text.encode()[:200].decode("utf-8", "ignore")
    return name if name.endswith(plant.end) else f"{name} {plant.end}"


def named(kind: str, text: str) -> dict[str, object]:
    field = {"custom-title": "customTitle", "ai-title": "aiTitle"}[kind]
    return {"type": kind, field: text, "sessionId": "x"}
