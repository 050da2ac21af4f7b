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
from urllib.parse import quote

import requests

from opcode_htmx.engines.claude.files.history import project_id
from tests.security.corpus.vectors import Plant
from tests.support.environment import PASSWORD, USER, Server

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
CHANNELS: dict[str, Planting] = {}


def channel(name: str) -> Callable[[Planting], Planting]:
    def register(planting: Planting) -> Planting:
        CHANNELS[name] = planting
        return planting

    return register


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


def _titled(place: Place, plants: Sequence[Plant], kind: str) -> Iterator[Page]:
    cwd = f"/work/{kind}"
    addresses = [place.session(cwd, named(kind, plant.line)) for plant in plants]
    marks = tuple(plant.begin for plant in plants)
    yield Page(f"{kind} in a list", place.get(f"/projects/{project_id(Path(cwd))}"), marks)
    for address, plant in zip(addresses, plants, strict=True):
        mark = (plant.begin,)
        for path in ("", "/search?q=Grow", "/blocks/p/share"):
            yield Page(f"{kind} {path}", place.get(address + path), mark)
        yield Page(f"{kind} in a file", place.get(f"{address}/export.html"), mark, is_export=True)
        for ending in ("md", "jsonl"):
            yield Page(f"{kind} in {ending}", place.get(f"{address}/export.{ending}"), mark)


@channel("a name that a person gave")
def _custom(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    yield from _titled(place, plants, "custom-title")


@channel("a name that Claude gave")
def _ai(place: Place, plants: Sequence[Plant]) -> Iterator[Page]:
    yield from _titled(place, plants, "ai-title")


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
        for name in ("q", "in", "chosen", "name"):
            yield Page("folder picker", place.get(f"/folders?{name}={line}"))
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
