"""An unrenderable block never breaks the page, the socket, a search or an export."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.markup.growing import part as growing_part
from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript import blocks
from opcode_htmx.transcript.blocks import AskBlock, Block, BranchBlock
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.fold import Transcript
from tests.features.session_page.test_live_updates import Viewer
from tests.security.content.rendering import ask_line, buttons, folded
from tests.security.content.unrenderable.lines import ASK, LINES, fail
from tests.support.cli.captured import fragments, templates
from tests.support.cli.sessions import OpenSession
from tests.support.environment import Sandbox, until
from tests.support.pages import dom
from tests.support.server import Server


def every_kind() -> list[Block]:
    """A block of each kind, in a conversation."""
    found = folded(LINES).blocks
    branch = BranchBlock(
        id="branch", order="9", created=1, revision=1, children=folded(LINES).blocks
    )
    return [*found, branch]


KINDS = sorted({each.kind for each in vars(blocks).values() if hasattr(each, "kind")} - {""})


def test_the_blocks_of_these_tests_are_of_every_kind() -> None:
    assert sorted({block.kind for block in every_kind()}) == KINDS


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Fragments]]:
    """Makes the macro of one kind of block fail."""

    def failing(kind: str, of: type[Fragments] = Fragments) -> Fragments:
        found = of(templates(), "/home/me") if of is WholeBlocks else fragments()
        macros, macro = found._macros, found._macros.block

        def block(each: Block, render: Callable[[Block], str]) -> object:
            return fail() if each.kind == kind else macro(each, render)

        monkeypatch.setattr(macros, "block", block)
        return found

    yield failing


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_whose_renderer_fails_is_shown_as_its_data_and_logged_once(
    kind: str, render: Callable[[str], Fragments], caplog: pytest.LogCaptureFixture
) -> None:
    rendering, found = render(kind), every_kind()
    failed = [block for block in found if block.kind == kind]
    for _ in range(3):
        page = dom.parse("".join(map(rendering.block, found)))
        for block in failed:
            block.change_count += 1  # so that it is rendered again
    shown = Counter(node.attributes["class"] for node in page.elements)
    assert shown.total() == len(found)
    assert shown["block block-raw"] == len(failed) + (kind != "raw")
    logged = [each for each in caplog.records if "cannot be rendered" in each.getMessage()]
    inside = [block for block in found[-1].children if block.kind == kind]
    assert len(logged) == len(failed) + (len(inside) if kind != "branch" else 0)
    assert all(each.exc_info for each in logged)


@pytest.mark.parametrize("kind", KINDS)
def test_failing_block_reaches_viewers_and_exports_as_data(
    kind: str, render: Callable[..., Fragments]
) -> None:
    rendering = render(kind)
    transcript = folded(LINES)
    update = str(rendering.changes([*_changes(transcript)]))
    page = dom.parse('<section id="transcript"></section>')
    dom.apply(page, update)
    assert len(page.elements[0].elements) == len(transcript.blocks)
    exported = render(kind, WholeBlocks)
    whole = dom.parse("".join(map(exported.block, every_kind())))
    assert len(whole.elements) == len(every_kind())


def _changes(transcript: Transcript) -> Iterator[Change]:
    yield from (Change(block, -1) for block in transcript.changed_since(0))


def test_children_of_a_failing_block_are_shown(render: Callable[[str], Fragments]) -> None:
    branch = every_kind()[-1]
    page = dom.parse(render("branch").block(branch))
    (children,) = [node for node in page.walk() if node.id == "b-branch-children"]
    assert len(children.elements) == len(branch.children)


def test_an_ask_whose_card_fails_can_be_answered_by_its_data(
    render: Callable[[str], Fragments],
) -> None:
    page = dom.parse(render("ask").block(folded([ask_line("Bash", ASK)]).blocks[0]))
    assert '"command": "ls"' in page.text
    assert buttons(page) == {"allow": "Allow", "deny": "Deny"}


@pytest.mark.parametrize("command", ["x" * 20_000, None])
def test_an_ask_whose_data_are_not_all_there_can_only_be_denied(
    render: Callable[[str], Fragments], command: str | None
) -> None:
    (block,) = folded([ask_line("Bash", {"command": command})]).blocks
    assert isinstance(block, AskBlock)
    assert isinstance(block.request, PermissionRequest)
    if command is None:
        block.request.input["command"] = object()  # no JSON
    page = dom.parse(render("ask").block(block))
    assert buttons(page) == {"deny": "Deny"}


def test_a_text_that_is_no_markdown_is_shown_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growing_part, "render", fail)
    text = IncrementalMarkdown()
    text.append("<b>words\n", 1)
    assert "&lt;b&gt;words" in text.parts[0].html
    assert "&lt;b&gt;words" in text.parts[0].html
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_that_cannot_be_searched_or_written_leaves_the_others(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, written = search._parts, to_markdown._source
    monkeypatch.setattr(search, "_parts", lambda b: fail() if b.kind == kind else parts(b))
    monkeypatch.setattr(to_markdown, "_source", lambda b: fail() if b.kind == kind else written(b))
    found = every_kind()
    assert list(search.find(found, "e"))
    document = "".join(to_markdown.document("Title", "/home", found))
    assert len(document) > 200


# --- every view -----------------------------------------------------------------------------


@pytest.fixture
def app() -> type[Server]:
    class PlantedServer(Server):
        app = "tests.security.content.planted:app"

    return PlantedServer


@pytest.mark.usefixtures("integration")
def test_unrenderable_blocks_break_no_page_socket_or_export(
    sandbox: Sandbox, stand_in: Path, app: type[Server]
) -> None:
    server = app(sandbox, stand_in, "http://127.0.0.1:9")
    server.foresees_errors = True
    try:
        _survives(server.start())
    finally:
        server.close()


def _survives(server: Server) -> None:
    steps: list[list[object]] = [["say", json.loads(each)] for each in LINES[2:-1]]
    steps += [["ask", "ask-1"], ["text", "behind it"]]
    form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    folder = str(server.sandbox.project)
    prompt = json.dumps(steps)
    began = server.post("/sessions", {**form, "folder": folder, "prompt": prompt})
    session = OpenSession(server, began.headers["Location"])
    until(lambda: 'value="allow"' in session.page(), "the ask can be answered")
    viewer = Viewer(server, session.address)
    for path in ("export.html", "export.md", "search?q=Words"):
        answer = session.get(path)
        assert answer.status_code == 200, path
        assert "Words" in answer.text, path
    action = re.search(r'"(/runs/[0-9a-f]{32}/asks/ask-1)"', session.page())
    assert action
    assert server.post(action[1], {"decision": "allow"}).status_code == 303
    viewer.until("behind it")
    viewer.ws.close()
    until(lambda: "behind it" in session.page(), "the page goes on")

    def failed() -> list[tuple[str, str]]:
        logged = server.log.read_text(encoding="utf-8")
        return re.findall(r"block '([^']+)' of kind (\w+) cannot", logged)

    def shown() -> int:
        return len(re.findall(r'<article class="block', session.page()))

    # the end of the turn may come after the last text
    until(lambda: shown() == len(set(failed())), "each block is logged")
    assert len(failed()) == len(set(failed())), "once for each block"
    assert history.project_id(server.sandbox.project) in session.address
