"""Actions on a whole session: rename, fork, export and search."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import uuid
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files import fork, history, sessions, titles
from tests.support.cli.sessions import Session, title
from tests.support.environment import missing, until
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


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


# --- the SDK of the CLI ---------------------------------------------------------------------

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
