"""Actions on a whole session: rename, fork, export, search, delete and undo."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import (
    fork,
    history,
    sessions,
    titles,
)
from tests.support.cli.sessions import OpenSession, Session, title
from tests.support.clients import api
from tests.support.environment import (
    Sandbox,
    Server,
    missing,
    runs_of,
    until,
)

pytestmark = pytest.mark.timeout(180)

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    made = ToolUse("Bash", {"command": "echo needle-in-output"})
    scenes = (
        Scene("tool", "look", [made, Text("I have *looked* at it.")]),
        Scene("anything", "", [Text("Yes, **indeed**.")]),
    )
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(shared_real_server: Server) -> Iterator[Server]:
    yield shared_real_server
    shared_real_server.ensure_started()


@pytest.fixture(scope="module")
def _looked(shared_real_server: Server) -> Session:
    return Session(shared_real_server, "look <b>here</b> for the Plum <tree>", "and then?")


@pytest.fixture
def looked(_looked: Session) -> Session:
    """A session of two turns, which runs; tests may change nothing of it but its name."""
    assert _looked.post("rename", title="A look").status_code == 303
    return _looked


# --- names ----------------------------------------------------------------------------------


def test_name_is_stored_as_claudes_title_and_survives_more_turns(
    server: Server,
) -> None:
    session = Session(server, "a first name")
    assert title(session.page()) == "a first name"
    assert session.post("rename", title="  The <new>\n name ").status_code == 303
    assert title(session.page()) == "The <new> name"
    session.prompt("more")  # the process that lives has its own idea of the name
    session.stop()
    session.prompt("and more, resumed")
    session.stop()
    assert title(session.page()) == "The <new> name"
    assert sessions.title_of(session.file) == "The <new> name"
    entries = [json.loads(line) for line in session.file.read_bytes().splitlines()]
    names = [entry["customTitle"] for entry in entries if entry.get("type") == "custom-title"]
    assert set(names) == {"The <new> name"}, "Claude writes it anew at the end, unchanged"
    listed = server.get(session.address.partition("/sessions/")[0]).text
    assert "The &lt;new&gt; name" in listed
    assert "a first name" not in listed


def test_a_name_that_is_empty_or_too_long_is_refused(looked: Session) -> None:
    for bad in ("", "  \n ", "x" * (titles.LONGEST + 1)):
        assert looked.post("rename", title=bad).status_code == 422
    assert title(looked.page()) == "A look"


def test_missing_session_cannot_be_renamed_forked_or_deleted(server: Server) -> None:
    nowhere = f"/projects/-nowhere/sessions/{uuid.uuid4()}"
    for verb in ("rename", "fork", "delete", "seen"):
        assert server.post(f"{nowhere}/{verb}", {"title": "x"}).status_code == 404, verb
    for page in ("search?q=x", "export.md", "export.html", "export.jsonl"):
        assert server.get(f"{nowhere}/{page}").status_code == 404, page
    for trash_id in ("../runs", "a" * 32):
        assert server.post(f"/trash/{trash_id}/restore", {}).status_code == 404


# --- forks ----------------------------------------------------------------------------------


def test_fork_is_independent_of_its_origin(
    looked: Session, server: Server, shared_api: MessagesApi
) -> None:
    session, before = looked, looked.file.read_bytes()
    answer = session.post("fork")
    assert answer.status_code == 303
    address = answer.headers["Location"].partition("#")[0]
    forked = server.get(address).text
    assert title(forked) == "A look (fork)"
    assert "for the Plum" in forked
    assert "needle-in-output" in forked
    assert session.file.read_bytes() == before

    form = {"prompt": "what was it?", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{address}/prompt", form).status_code == 303
    until(lambda: server.get(address).text.count("Yes, <strong>indeed") == 2, "it answers")
    asked = [json.dumps(request["messages"]) for request in shared_api.requests]
    assert any("for the Plum" in words and "what was it?" in words for words in asked)
    assert "what was it?" not in session.page()
    fork_id = address.rpartition("/")[2]
    copied = history.find(server.sandbox.config_dir, fork_id)
    assert copied is not None
    entries = [json.loads(line) for line in copied.read_bytes().splitlines()]
    assert {entry.get("sessionId", fork_id) for entry in entries} == {fork_id}
    assert sessions.title_of(copied) == "A look (fork)"


def test_a_fork_has_new_ids_that_link_as_the_old_ones_did(tmp_path: Path) -> None:
    old = str(uuid.uuid4())
    path = tmp_path / f"{old}.jsonl"
    entries = [
        {"type": "user", "uuid": "a", "parentUuid": None, "sessionId": old, "slug": "s"},
        {"type": "progress", "uuid": "p", "parentUuid": "a", "sessionId": old},
        {"type": "user", "uuid": "side", "parentUuid": "a", "isSidechain": True},
        {"type": "assistant", "uuid": "b", "parentUuid": "p", "sessionId": old},
        {"type": "file-history-snapshot", "snapshot": {}},
        {"type": "content-replacement", "sessionId": old, "replacements": [1]},
    ]
    path.write_text("".join(f"{json.dumps(e)}\n" for e in entries) + '{"type": "user", "uu')
    new = fork.fork(path, "A name")
    copied = [json.loads(line) for line in (tmp_path / f"{new}.jsonl").read_text().splitlines()]
    assert [entry["type"] for entry in copied] == [
        *("user", "assistant", "content-replacement", "custom-title")
    ]
    first, second = copied[:2]
    assert second["parentUuid"] == first["uuid"] != "a"
    assert first["forkedFrom"] == {"sessionId": old, "messageUuid": "a"}
    assert "slug" not in first
    assert {entry["sessionId"] for entry in copied} == {new}
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / f"{new}.jsonl"])


def test_session_without_entries_cannot_be_forked(tmp_path: Path) -> None:
    path = tmp_path / f"{uuid.uuid4()}.jsonl"
    path.write_text('{"type": "last-prompt"}\n')
    with pytest.raises(fork.NothingToFork):
        fork.fork(path, "x")
    assert list(tmp_path.iterdir()) == [path]


# --- exports --------------------------------------------------------------------------------


def test_session_is_exported_in_three_formats(looked: Session) -> None:
    session = looked
    session.post("rename", title="Taken along")
    markdown = session.get("export.md")
    assert markdown.headers["Content-Disposition"] == "attachment; filename=Taken-along.md"
    assert markdown.text.startswith("# Taken along\n")
    assert "## You\n\nlook <b>here</b> for the Plum <tree>\n" in markdown.text
    assert "```sh\necho needle-in-output\n```" in markdown.text
    assert "I have *looked* at it." in markdown.text

    html = session.get("export.html")
    assert html.headers["Content-Type"].startswith("text/html")
    assert "attachment" in html.headers["Content-Disposition"]
    assert "I have <em>looked</em> at it." in html.text
    assert "look &lt;b&gt;here&lt;/b&gt;" in html.text
    assert "<script" not in html.text
    assert set(re.findall(r'(?:href|src)="([^"]{1,15})', html.text)) == {"data:text/css;b"}

    assert session.get("export.jsonl").content == session.file.read_bytes()


def test_a_block_has_a_link_and_its_source(looked: Session, server: Server) -> None:
    session = looked
    links = re.findall(r'href="(/projects/[^"]+/share)"', session.page())
    sources = [server.get(link.removesuffix("share") + "source").text for link in links]
    assert sources[0] == "look <b>here</b> for the Plum <tree>"
    assert "I have *looked* at it." in sources
    shared = server.get(links[sources.index("I have *looked* at it.")]).text
    assert ">I have *looked* at it.</textarea>" in shared
    link = re.search(r'id="share-link" value="([^"]+)"', shared)
    assert link
    path, _, place = unescape(link[1]).removeprefix(server.url).partition("#")
    page = server.get(path).text
    assert f'id="{place}"' in page
    transcript = page.partition('id="transcript"')[2].partition("</section>")[0]
    assert "for the Plum" not in transcript, "it begins there"
    assert session.get("blocks/nothing/share").status_code == 404
    assert session.get("blocks/nothing/source").status_code == 404


# --- search ---------------------------------------------------------------------------------


def test_search_covers_messages_tool_inputs_and_results(looked: Session, server: Server) -> None:
    session = looked
    found = session.get("search?q=NEEDLE-in").text
    assert found.count("<mark>needle-in</mark>-output") == 2, "in the command and in its output"
    link = re.search(r'<a class="row" href="([^"]+)"', found)
    assert link
    path, _, place = unescape(link[1]).partition("#")
    assert f'<mark id="{place}">needle-in</mark>' in server.get(path).text
    assert "<mark>Plum &lt;tree&gt;</mark>" in session.get("search?q=plum+%3Ctree%3E").text
    assert "Nothing found" in session.get("search?q=no+such+words").text
    assert "Nothing found" not in session.get("search").text
    assert session.get("search?q=.*").text.count("<mark>") == 0, "it is no pattern"


# --- deleting -------------------------------------------------------------------------------


def test_a_session_whose_claude_waits_is_not_deleted_and_says_what_to_do(looked: Session) -> None:
    refused = looked.post("delete")
    assert refused.status_code == 409
    assert "Claude waits in this session for a prompt. End Claude first." in refused.text
    assert "needle-in-output" in looked.page()


def test_deleting_takes_everything_away_and_undo_brings_it_back(server: Server) -> None:
    session = Session(server, "keep me")
    session.stop()
    beside = session.file.with_suffix("") / "subagents" / "agent.jsonl"
    beside.parent.mkdir(parents=True)
    beside.write_text("{}\n")
    session.post("draft", prompt="half a thought")
    file, before, page = session.file, session.file.read_bytes(), session.page()
    answer = session.post("delete")
    assert answer.status_code == 303
    assert not (server.sandbox.state / "drafts" / session.id).exists()
    assert not (server.sandbox.state / "attached" / session.id).exists()
    assert session.server.get(session.address).status_code == 404
    assert not file.exists()
    assert not beside.exists()
    assert runs_of(server.sandbox.state, session.id) == []
    follows = server.get(answer.headers["Location"]).text
    assert "Deleted “keep me”" in follows
    undo = re.search(r'action="(/trash/[0-9a-f]{32}/restore)"', follows)
    assert undo
    back = server.post(undo[1], {})
    assert back.headers["Location"].partition("#")[0] == session.address
    assert file.read_bytes() == before
    assert beside.read_text() == "{}\n"
    assert transcript(session.page()) == transcript(page)
    assert "half a thought" in session.page()
    assert server.post(undo[1], {}).status_code == 404, "once"
    session.prompt("go on")
    assert "keep me" in session.page()


def transcript(page: str) -> str:
    return page.partition('id="transcript"')[2].partition("</section>")[0]


def test_the_trash_is_emptied_after_some_days(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    file = api.session(sandbox.config_dir, sandbox.project, api.prompt("old", sandbox.project))
    server = start_server(sandbox, stand_in)
    deleted = server.post(f"/projects/{file.parent.name}/sessions/{file.stem}/delete", {})
    assert deleted.status_code == 303
    (folder,) = (sandbox.state / "trash").iterdir()
    record = json.loads((folder / "trash.json").read_text())
    (folder / "trash.json").write_text(json.dumps({**record, "at": record["at"] - 8 * 86400}))
    server.stop()
    server.start()
    until(lambda: not list((sandbox.state / "trash").iterdir()), "the trash is emptied")


LIST_SESSIONS = """
import sys, types
# The wheel that carries the CLI is installed without what the rest of the SDK needs
for name in ("claude_agent_sdk", "claude_agent_sdk._internal"):
    package = types.ModuleType(name)
    package.__path__ = ["/".join([sys.argv[1], *name.split(".")[1:]])]
    sys.modules[name] = package
sys.modules["anyio"] = types.ModuleType("anyio")
from claude_agent_sdk._internal.sessions import list_sessions
print([session.summary for session in list_sessions(directory=sys.argv[2])])
"""


def test_the_clis_own_sdk_sees_the_name_that_was_given(looked: Session, server: Server) -> None:
    sdk = importlib.util.find_spec("claude_agent_sdk")
    if sdk is None or sdk.origin is None:
        missing("The SDK of the CLI", "run `make test` where no other Claude CLI is installed.")
        raise AssertionError
    looked.post("rename", title="Seen elsewhere")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIST_SESSIONS]
        + [str(Path(sdk.origin).parent), str(server.sandbox.project)],
        env=server.sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "Seen elsewhere" in ast.literal_eval(done.stdout)


def after_clear(session: Session) -> OpenSession:
    """The session that its page leads to."""
    way = r'href="(/projects/[^"]+/sessions/[0-9a-f-]{36})#end">a session'
    link = re.search(way, session.page())
    assert link
    return OpenSession(session.server, link[1])


def said(session: OpenSession) -> list[str]:
    """The texts of the user and of Claude on the page."""
    text = r'<div class="(?:prompt-text|part md)"[^>]*>(?:<p[^>]*>)?(.*?)(?:</p>\s*)?</div>'
    return re.findall(text, session.page(), re.DOTALL)


def test_clear_starts_a_new_session_with_a_link_to_it_which_claude_resumes(
    server: Server, shared_api: MessagesApi
) -> None:
    session = Session(server, "first words", "/clear", "after it")
    new = after_clear(session)
    assert new.id != session.id
    answer = "Yes, <strong>indeed</strong>."
    expected = ["/clear", "after it", answer]
    until(lambda: said(new) == expected, "Claude has noted it")

    # a prompt there reaches the process that is in this session, and begins no other
    form = {"prompt": "still there?", "prompt_id": str(uuid.uuid4())}
    assert new.post("prompt", **form).status_code == 303
    assert new.post("prompt", **form).status_code == 303, "twice is once"
    expected += ["still there?", answer]
    until(lambda: said(new) == expected, "it is answered")
    assert said(session)[-2:] == expected[-2:]
    assert len(runs_of(server.sandbox.state, session.id)) == 1
    assert runs_of(server.sandbox.state, new.id) == []
    assert new.post("delete").status_code == 409

    session.stop()
    assert said(new) == expected
    server.stop()
    server.start()
    assert said(new) == expected
    new.prompt("and now?")
    assert said(new) == [*expected, "and now?", answer]
    assert "and now?" not in session.page()
    asked = [json.dumps(request["messages"]) for request in shared_api.requests]
    (words,) = [each for each in asked if "and now?" in each]
    assert "after it" in words
    assert "first words" not in words
