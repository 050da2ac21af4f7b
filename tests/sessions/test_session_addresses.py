"""Each session has a working address, whatever its folder or file."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.sessions.odd_sessions import put, spoken
from tests.support.cli.sessions import OpenSession, title
from tests.support.clients import api
from tests.support.clients.raw_socket import RawSocket
from tests.support.environment import Sandbox
from tests.support.server import Server

LONG = "/home/me/" + "/".join(f"level{number:02d}-abcdefghij" for number in range(12))
UPPER = "AAAAAAAA-0000-4000-8000-00000000000A"


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    """The sessions name folders that are not here, which may be forked nevertheless."""
    return {"OPCODE_PROJECT_ROOTS": "/"}


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Server:
    return shared_server


def moved(path: Path, target: Path) -> None:
    """Replace `path` by a link to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    path.symlink_to(target)


def emoji(sandbox: Sandbox) -> Path:
    return put(sandbox, "/home/me/🚀app")


def long(sandbox: Sandbox) -> Path:
    return put(sandbox, LONG)


def upper(sandbox: Sandbox) -> Path:
    return put(sandbox, "/home/me/upper", UPPER)


def linked_folder(sandbox: Sandbox) -> Path:
    path = put(sandbox, "/home/me/linked-folder")
    moved(path.parent, sandbox.home / "elsewhere" / "linked-folder")
    return path


def linked_file(sandbox: Sandbox) -> Path:
    path = put(sandbox, "/home/me/linked-file")
    moved(path, sandbox.home / "elsewhere" / "notes.jsonl")
    return path


def relative_link(sandbox: Sandbox) -> Path:
    path = put(sandbox, "/home/me/relative-link")
    target = path.with_name("kept.jsonl")
    path.rename(target)
    path.symlink_to(target.name)
    return path


def copied_folder(sandbox: Sandbox) -> Path:
    """Under a name that is none of its paths'."""
    path = put(sandbox, "/home/me/first-name")
    return path.parent.rename(path.parent.with_name("-home-me-second.name")) / path.name


def without_cwd(sandbox: Sandbox) -> Path:
    return put(sandbox, "/home/me/no-cwd", cwd=False)


KINDS: tuple[Callable[[Sandbox], Path], ...] = (
    emoji,
    long,
    upper,
    linked_folder,
    linked_file,
    relative_link,
    copied_folder,
    without_cwd,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_everything_works_at_the_address_of_a_session(
    server: Server, kind: Callable[[Sandbox], Path]
) -> None:
    file = kind(server.sandbox)
    name, id_ = file.parent.name, file.stem
    project = f"/projects/{name}"
    assert f'href="{project}"' in server.get("/projects").text
    assert f'href="{project}/sessions/{id_}#end"' in server.get(project).text
    assert server.get(f"{project}/new").status_code == 200

    session = OpenSession(server, f"{project}/sessions/{id_}")
    page = session.page()
    assert "An apple tree stands there." in page
    back = re.search(r'<a class="back" href="([^"]+)"', page)
    assert back
    assert back[1] == project
    socket = RawSocket(server, f"{session.address}/live?cursor=")
    try:
        assert "An apple tree" in socket.until("An apple tree")
    finally:
        socket.close()
    for verb in ("export.md", "export.html", "export.jsonl", "search?q=apple"):
        found = session.get(verb)
        assert (found.status_code, "tree stands there" in found.text) == (200, True), verb
    assert session.get("complete?q=%40").status_code == 200
    assert session.post("seen", quiet="1").status_code == 204
    assert session.post("draft", prompt="typed", prompt_id=str(uuid.uuid4())).status_code == 204
    assert session.post("options").headers["Location"] == f"{session.address}#end"

    listed = api.get(server, f"/api{project}/sessions")
    assert [(each["id"], each["project_id"]) for each in listed] == [(id_, name)]
    assert [each["id"] for each in api.get(server, "/api/projects") if id_ in each["sessions"]] == [
        name
    ]
    for either in (id_, id_.swapcase()):
        listed = api.history_of(server, either, name)
        assert [line["type"] for line in listed] == ["user", "assistant"]
        assert api.get(server, f"/api/claude/sessions/{either}")["id"] == id_
        assert "apple tree" in server.get(f"/api/claude/sessions/{either}/export").text

    assert session.post("rename", title="Trees").headers["Location"] == f"{session.address}#end"
    assert title(session.page()) == "Trees"
    assert "Trees" in server.get(project).text
    fork = session.post("fork").headers["Location"]
    assert fork.startswith(f"{project}/sessions/")
    assert title(server.get(fork).text) == "Trees (fork)"

    gone = session.post("delete").headers["Location"]
    assert gone.startswith(f"{project}?deleted=")
    assert server.get(session.address).status_code == 404
    undo = re.search(r'action="(/trash/[^"]+/restore)"', server.get(gone).text)
    assert undo
    assert server.post(undo[1], {}).headers["Location"] == f"{session.address}#end"
    assert "An apple tree stands there." in session.page()


def test_id_matches_exactly_before_ignoring_case(server: Server) -> None:
    lower = "bbbbbbbb-0000-4000-8000-00000000000b"
    folder = "/home/me/both-cases"
    for session_id in (lower, lower.upper()):
        text = spoken(folder, f"this is {session_id}")
        api.session(server.sandbox.config_dir, folder, text, session_id)
    name = claude_folder(folder)
    for session_id in (lower, lower.upper()):
        assert f"this is {session_id}" in server.get(f"/projects/{name}/sessions/{session_id}").text
        listed = api.history_of(server, session_id, name)
        assert listed[0]["message"]["content"] == f"this is {session_id}"


def test_each_address_of_a_copied_session_shows_its_own_file(server: Server) -> None:
    id_ = str(uuid.uuid4())
    for folder in ("/home/me/before", "/home/me/after"):
        text = spoken(folder, f"said {folder}")
        api.session(server.sandbox.config_dir, folder, text, id_)
    for folder in ("/home/me/before", "/home/me/after"):
        page = server.get(f"/projects/{claude_folder(folder)}/sessions/{id_}").text
        assert f"said {folder}" in page
        assert f'title="{folder}"' in page


def test_last_session_is_deleted_from_a_shared_session_folder(
    server: Server,
) -> None:
    first, _ = (put(server.sandbox, f"/home/me/de{mark}leted") for mark in ".-")
    address = f"/projects/{first.parent.name}/sessions/{first.stem}"
    back = re.search(r'class="back" href="([^"]+)"', server.get(address).text)
    assert back
    gone = server.post(f"{address}/delete", {}).headers["Location"]
    assert gone.startswith(f"/projects/{first.parent.name}?deleted=")
    page = unescape(server.get(gone).text)
    assert "Deleted “Plant a tree”" in page
    assert "/home/me/de-leted" in page
    assert server.get(back[1]).status_code == 404


# --- Sessions that do not say where they worked ---------------------------------------------


def test_a_session_without_a_folder_says_so_and_keeps_what_is_sent_to_it(server: Server) -> None:
    file = put(server.sandbox, "/home/me/unknown", cwd=False)
    session = OpenSession(server, f"/projects/{file.parent.name}/sessions/{file.stem}")
    page = session.page()
    assert "Folder not known" in page
    assert "It can be read, but not continued here." in page
    assert "in `a folder that is not known`" in session.get("export.md").text
    refused = session.post("prompt", prompt="Plant another", prompt_id=str(uuid.uuid4()))
    assert refused.status_code == 409
    assert "does not say in which folder" in refused.text
    assert "Plant another</textarea>" in session.page()
    assert file.stem not in server.get("/runs").text
    about = api.get(server, f"/api/claude/sessions/{file.stem}")
    assert about["workingDir"] == file.parent.name
    (listed,) = api.get(server, f"/api/projects/{file.parent.name}/sessions")
    assert listed["project_path"] == file.parent.name


@pytest.mark.parametrize(
    ("project", "session"),
    [
        ("..", "{id}"),
        (".", "{id}"),
        ("-home-me-attacked%2f..%2f-home-me-attacked", "{id}"),
        ("-home-me-attacked~", "{id}"),
        ("-home-me-attacked~ABCDEF0123", "{id}"),
        ("-home-me-attacked", "..%2f-home-me-attacked%2f{id}"),
        ("-home-me-attacked", "{id}.jsonl"),
        ("-home-me-attacked", "{id}%00"),
        ("-home-me-attacked", "*"),
    ],
)
def test_names_that_are_no_ids_lead_nowhere(server: Server, project: str, session: str) -> None:
    file = history.root(server.sandbox.config_dir) / "-home-me-attacked"
    id_ = "cccccccc-0000-4000-8000-00000000000c"
    if not file.exists():
        put(server.sandbox, "/home/me/attacked", id_)
    address = f"/projects/{project}/sessions/{session.format(id=id_)}"
    for path in (address, f"{address}/export.jsonl"):
        assert server.get(path).status_code == 404
    listed = server.get(f"/api/sessions/{session.format(id=id_)}/history/{project}")
    assert listed.status_code == 404
    assert "Plant" not in json.dumps(
        listed.json() if "json" in listed.headers["Content-Type"] else ""
    )


ODD_LINES = [
    {"type": "user", "promptSource": [1], "message": {"role": "user", "content": "x"}},
    {"type": "attachment", "uuid": "b", "attachment": {"type": ["x"]}},
    {"type": "attachment", "attachment": {"type": "queued_command", "promptSource": {}}},
    {"type": "user", "cwd": "/" + "a" * 9000, "message": {"role": "user", "content": "x"}},
    {"type": "user", "cwd": "/a\0b", "message": {"role": "user", "content": "x"}},
    {"type": "user", "cwd": "/../../etc", "message": {"role": "user", "content": "x"}},
    {"type": "user", "uuid": ["u"], "parentUuid": {}, "message": {"role": "user", "content": "x"}},
    {"type": "content-replacement", "replacements": 5},
]


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_malformed_line_breaks_no_page_and_no_list(
    shared_server: Server, line: dict[str, object]
) -> None:
    id_ = f"dddddddd-0000-4000-8000-{ODD_LINES.index(line):012x}"
    file = put(shared_server.sandbox, "/home/me/odd", id_)
    with file.open("a") as more:
        more.write(json.dumps({**line, "sessionId": id_}) + "\n")
    address = f"/projects/{file.parent.name}/sessions/{id_}"
    for path in ("/", "/new", "/api/projects", f"/projects/{file.parent.name}", address):
        assert shared_server.get(path).ok, path
    for path in ("export.md", "export.html", "search?q=x", "complete?q=@", "complete?q=/"):
        assert shared_server.get(f"{address}/{path}").ok, path
    assert shared_server.post(f"{address}/fork", {}).status_code == 303
