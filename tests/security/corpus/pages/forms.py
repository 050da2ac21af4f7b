"""Channels onto forms, files and answers to programs: searches, drafts, uploads, addresses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import requests

from tests.security.corpus.pages.place import Page, Place, Planting, file_name, registers, sendable
from tests.security.corpus.vectors import Plant
from tests.support.environment import PASSWORD, USER

CHANNELS: dict[str, Planting] = {}
channel = registers(CHANNELS)


@channel("a search")
def _searches(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        message = {"role": "user", "content": plant.line}
        entry: dict[str, object] = {"type": "user", "uuid": "q", "message": message}
        address = place.session("/work/search", {**entry, "promptSource": "typed"})
        for query in (plant.begin, plant.vector.text, "canary"):
            marks = (plant.begin,) if query == plant.begin else ()
            path = f"{address}/search?q={quote(sendable(query))}"
            yield Page("search", place.get(path), marks)
        nothing = f"{address}/search?q={quote(sendable(f'nothing {plant.line}'))}"
        yield Page("search for nothing", place.get(nothing), (plant.begin, plant.end))


@channel("a draft")
def _drafts(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        address = place.session("/work/drafts")
        for page in (address, "/new"):
            form = {"prompt": plant.line, "prompt_id": str(uuid.uuid4()), "by": plant.line}
            yield Page("draft", place.post(f"{page}/draft", {**form, "folder": plant.line}))
            yield Page("draft", place.get(page), (plant.begin, plant.end))


@channel("a file that is attached")
def _attached(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        address = place.session("/work/attached")
        name = file_name(plant).replace("\r", "").replace("\n", "").replace('"', "'")
        # On some systems the part before a backslash is a folder's name
        mark = (plant.end if "\\" in name else plant.begin,)
        files = {"files": (name, b"x", sendable(plant.vector.kind))}
        yield Page("file", place.post(f"{address}/attachments", {}, files=files), mark)
        yield Page("file", place.get(address), mark)
        empty = {"files": (name, b"")}
        answer = place.post(f"{address}/attachments", {}, files=empty)
        yield Page("empty file", answer, (plant.begin,))


@channel("a new session's form")
def _new(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        line = quote(sendable(plant.line))
        # a path cannot contain a NUL character, and the refusal says only that
        marks = () if "\0" in plant.line else (plant.begin, plant.end)
        yield Page("new session", place.get(f"/new?folder={line}"), marks)
        fields = ("folder", "prompt", "back", "model", "effort", "keep_running", "project")
        form = dict.fromkeys(fields, plant.line)
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        refused = place.post("/sessions", {**form, **ids, "project": ""})
        yield Page("form again", refused, (plant.begin, plant.end))
        yield Page("form without ids", place.post("/sessions", form))
        yield Page("suggestions", place.get(f"/new/options?folder={line}&model={line}"))


@channel("the folder picker")
def _folder_picker(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    root = place.server.sandbox.project / "picker"
    root.mkdir()
    for plant in plants:
        (root / file_name(plant)).mkdir()
        line = quote(sendable(plant.line), safe="")
        for query in (f"in={line}", f"q={line}", f"chosen={line}&name={line}"):
            yield Page("folder picker", place.get(f"/folders?{query}"))
        inside = quote(str(root / file_name(plant)))
        yield Page("folder", place.get(f"/folders?in={inside}"), (plant.end,))
        missing = place.get(f"/new?folder={inside}{plant.end}")
        yield Page("missing folder", missing, (plant.end,))
        form = {"in": plant.line, "name": plant.line, "chosen": plant.line}
        yield Page("folder that is not made", place.post("/folders", form))
        place.session(str(root / file_name(plant)))
    marks = tuple(plant.end for plant in plants)
    yield Page("recent projects", place.get("/folders?recent=all"), marks)
    yield Page("folders", place.get(f"/folders?in={quote(str(root))}"), marks)


@channel("a login's form")
def _login(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants[:5]:  # more failures make the address wait
        line = quote(sendable(plant.line))
        page = requests.get(f"{place.server.url}/login?next={line}", timeout=60)
        yield Page("login", page)
        where = requests.get(f"{place.server.url}/x?{line}", timeout=60)
        yield Page("login with a way back", where)
        opened = {"Accept": "text/html", "Sec-Fetch-Site": "none"}
        there = requests.get(f"{place.server.url}/x?{line}", headers=opened, timeout=60)
        yield Page("login in place of a page", there)
        form = {"user": sendable(plant.line), "password": "x", "next": sendable(plant.bare)}
        again = requests.post(f"{place.server.url}/login", data=form, timeout=60)
        yield Page("login again", again, (plant.begin, plant.end))
        place.get("/runs/badge")  # a success, after which the failures no longer count


@channel("an address")
def _addresses(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    address = place.session("/work/addresses")
    for plant in plants:
        part = quote(sendable(plant.line), safe="")
        for path in (
            f"/{part}",
            f"/projects/{part}",
            f"{address}/blocks/{part}",
            f"/static/{part}",
        ):
            yield Page("address", place.get(path))
        query = "&".join(f"{name}={part}" for name in ("from", "deleted", "cursor", "next"))
        yield Page("query", place.get(f"{address}?{query}"))
        yield Page("earlier", place.get(f"{address}/earlier?before=p&mark={part}"))
        yield Page("API", place.get(f"/api/sessions/{part}/output?cursor={part}"))
        yield Page("project of the API", place.get(f"/api/slash-commands?project_path={part}"))
        referer = f"{place.server.url}/{part}"
        answer = requests.post(
            f"{place.server.url}/runs/{'1' * 32}/stop",
            auth=(USER, PASSWORD),
            headers={"Referer": referer},
            timeout=60,
        )
        yield Page("way back", answer)


@channel("a file of the project")
def _files(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    folder = place.server.sandbox.project / f"files-{plants[0].number}"
    folder.mkdir()
    for plant in plants:
        (folder / file_name(plant)).write_text("x")
        (folder / f"in {file_name(plant)}").mkdir()
        (folder / f"in {file_name(plant)}" / "x").write_text("x")
    for plant in plants:
        found = place.get(f"/new/complete?q=@{plant.begin}&folder={quote(str(folder))}")
        # A name of several lines is not offered
        offered = "\n" not in file_name(plant)
        yield Page("file name", found, (plant.begin, plant.end) if offered else ())


@channel("a command of the project")
def _commands(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    root = place.server.sandbox.project / f"commands-{plants[0].number}"
    folder = root / ".claude" / "commands"
    folder.mkdir(parents=True)
    for plant in plants:
        text = json.dumps(sendable(plant.line).replace("\0", ""))
        head = f"description: {text}\nargument-hint: {text}\nallowed-tools: {text}\n"
        path = folder / f"c{plant.number}.md"
        path.write_text(f"---\n{head}---\n{sendable(plant.line)}")
    where = quote(str(root))
    for plant in plants:
        answer = place.get(f"/new/complete?q=/c{plant.number}&folder={where}")
        yield Page("command", answer, (f"c{plant.number}",))
    marks = tuple(plant.begin for plant in plants)
    yield Page("commands", place.get(f"/api/slash-commands?project_path={where}"), marks)


@channel("an agent and a server")
def _catalog(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    sandbox = place.server.sandbox
    agents = sandbox.config_dir / "agents"
    agents.mkdir(exist_ok=True)
    servers = {}
    for plant in plants:
        text = json.dumps(sendable(plant.line).replace("\0", ""))
        (agents / f"a{plant.number}.md").write_text(
            f"---\nname: {text}\ndescription: {text}\n---\n"
        )
        servers[plant.line] = {"command": plant.line, "args": [plant.line], "env": {}}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps({"mcpServers": servers}))
    yield Page("agents", place.get("/api/agents"))
    yield Page("servers", place.get("/api/mcp/servers"), tuple(plant.begin for plant in plants))
    yield Page("description of the API", place.get("/api/docs"))


@channel("a block for itself")
def _blocks(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    for plant in plants:
        message = {
            "id": "m",
            "role": "assistant",
            "content": [{"type": "text", "text": plant.block}],
        }
        document = {
            "type": "document",
            "title": plant.line,
            "source": {"type": "base64", "media_type": plant.line, "data": "PHNjcmlwdD4="},
        }
        back = {"type": "tool_result", "tool_use_id": "t", "content": [document]}
        use = {"type": "tool_use", "id": "t", "name": plant.line, "input": {"a": plant.line}}
        address = place.session(
            "/work/blocks",
            {"type": "assistant", "uuid": "a", "message": message},
            {"type": "assistant", "uuid": "c", "message": {"id": "n", "content": [use]}},
            {"type": "user", "uuid": "d", "message": {"content": [back]}},
        )
        mark = (plant.begin,)
        for path in ("blocks/m/share", "blocks/m-0/share", "blocks/t/share"):
            yield Page("to share", place.get(f"{address}/{path}"))
        for path in ("blocks/t", "blocks/t/source"):
            yield Page("as text", place.get(f"{address}/{path}"), mark)
        yield Page("to download", place.get(f"{address}/blocks/t/files/0"))
        session, project = address.rpartition("/")[2], address.split("/")[2]
        yield Page("history", place.get(f"/api/sessions/{session}/history/{project}"), mark)
        yield Page("messages", place.get(f"/api/claude/sessions/{session}"))
        yield Page("sessions", place.get(f"/api/projects/{project}/sessions"))
