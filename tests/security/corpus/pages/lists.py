"""Channels onto lists and headers: titles, summaries, prompts, tags, folders, branches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from opcode_htmx.engines.claude.files.history import project_id
from tests.security.corpus.pages.place import Page, Place, Planting, named, registers, sendable
from tests.security.corpus.vectors import Plant

CHANNELS: dict[str, Planting] = {}
channel = registers(CHANNELS)


@channel("a name that a person gave")
def _custom(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    cwd = "/work/custom-title"
    addresses = [place.session(cwd, named("custom-title", plant.line)) for plant in plants]
    marks = tuple(plant.begin for plant in plants)
    yield Page("names in a list", place.get(f"/projects/{project_id(Path(cwd))}"), marks)
    for address, plant in zip(addresses, plants, strict=True):
        mark = (plant.begin,)
        for path in ("", "/search?q=Grow", "/blocks/p/share"):
            yield Page(f"name {path}", place.get(address + path), mark)
        yield Page("name in a file", place.get(f"{address}/export.html"), mark, is_export=True)
        for ending in ("md", "jsonl"):
            yield Page(f"name in {ending}", place.get(f"{address}/export.{ending}"), mark)


@channel("a name that Claude gave")
def _ai(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    """Which becomes the session's name as that of a person does: see there for its other pages."""
    cwd = "/work/ai-title"
    addresses = [place.session(cwd, named("ai-title", plant.line)) for plant in plants]
    marks = tuple(plant.begin for plant in plants)
    yield Page("names in a list", place.get(f"/projects/{project_id(Path(cwd))}"), marks)
    for address, mark in zip(addresses, marks, strict=True):
        yield Page("name", place.get(address), (mark,))


@channel("a summary as a name")
def _summary(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    cwd = "/work/summary"
    for plant in plants:
        place.session(cwd, {"type": "summary", "summary": plant.line, "leafUuid": "p"})
    marks = tuple(plant.begin for plant in plants)
    yield Page("summaries", place.get(f"/projects/{project_id(Path(cwd))}"), marks)


@channel("a first prompt as a name")
def _prompts(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    cwd = "/work/prompts"
    for plant in plants:
        message = {"role": "user", "content": plant.line}
        entry = {"type": "user", "uuid": "p", "promptSource": "typed", "message": message}
        address = place.session(cwd)
        path = place.server.sandbox.config_dir / "projects" / project_id(Path(cwd))
        file = path / f"{address.rpartition('/')[2]}.jsonl"
        file.write_text(f"{json.dumps({**entry, 'cwd': cwd})}\n")
        yield Page("first prompt", place.get(address), (plant.begin,))
    marks = tuple(plant.begin for plant in plants)
    yield Page("first prompts", place.get(f"/projects/{project_id(Path(cwd))}"), marks)


@channel("a new name")
def _renamed(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        address = place.session("/work/renamed")
        answer = place.post(f"{address}/rename", {"title": plant.line})
        yield Page("renamed", answer, (plant.begin,) if answer.ok else ())
        yield Page("too long a name", place.post(f"{address}/rename", {"title": plant.line * 99}))


@channel("a session that was deleted")
def _deleted(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    place.session("/work/deleted")
    for plant in plants:
        address = place.session("/work/deleted", named("custom-title", plant.line))
        yield Page("deleted", place.post(f"{address}/delete", {}), (plant.begin,))
        yield Page("nothing deleted", place.get(f"/?deleted={quote(sendable(plant.line))}"))


@channel("a tag, and what takes space")
def _tags(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    cwd = "/work/tags"
    project = f"/projects/{project_id(Path(cwd))}"
    for plant in plants:
        address = place.session(cwd, named("custom-title", plant.line))
        # a part of the text: tags are short
        form = {"act": "tags", "tags": plant.line[:24]}
        yield Page("tagged", place.post(f"{address}/flags", form))
        yield Page("too long a tag", place.post(f"{address}/flags", {**form, "tags": plant.line}))
        yield Page("a tag to filter by", place.get(f"{project}?tag={quote(sendable(plant.line))}"))
    yield Page("tags", place.get(project), tuple(plant.begin for plant in plants))
    yield Page("selecting", place.get(f"{project}?select=all"))
    yield Page("storage", place.get("/storage"))
    yield Page("a clean-up", place.get("/storage/clean-up?days=30"))


@channel("a folder")
def _folders(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    shown: list[str] = []
    for plant in plants:
        cwd = f"/work/{plant.line}"
        address = place.session(cwd)
        readable = "\0" not in cwd  # else it is no path
        mark = (plant.end,) if readable else ()
        shown += mark
        yield Page("folder of a session", place.get(address), mark)
        yield Page("folder of a project", place.get(address.partition("/sessions")[0]), mark)
        yield Page("folder in a file", place.get(f"{address}/export.html"), mark, is_export=True)
        yield Page(
            "folder of a new session", place.get(f"{address.partition('/sess')[0]}/new"), mark
        )
    yield Page("folders", place.get("/"), tuple(shown))
    yield Page("folders that are known", place.get("/new"))
    yield Page("folders for programs", place.get("/api/projects"), tuple(shown))


@channel("a branch that was left")
def _branches(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        entries: list[dict[str, object]] = []
        for uuid_, parent, text in (
            ("b", "p", plant.line),
            ("c", "b", "x"),
            ("d", "p", "Again"),
            ("e", "d", "y"),
        ):
            is_prompt = uuid_ in "bd"
            role = "user" if is_prompt else "assistant"
            content: object = text if is_prompt else [{"type": "text", "text": text}]
            message = {"id": f"m-{uuid_}", "role": role, "content": content}
            entries.append({"type": role, "uuid": uuid_, "parentUuid": parent, "message": message})
        yield Page("branch", place.get(place.session("/work/branches", *entries)), (plant.begin,))
