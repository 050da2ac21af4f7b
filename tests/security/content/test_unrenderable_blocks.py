"""An unrenderable block never breaks the page, the socket, a search or an export."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.api.sockets.chat_events import ChatEventEncoder
from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import PermissionRequest, TurnResult
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.markup.growing import part as growing_part
from opcode_htmx.markup.incremental_markdown import IncrementalMarkdown
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript import blocks
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    BranchBlock,
    RawBlock,
)
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.conversation.history_part import HistoryPart
from opcode_htmx.transcript.fold import Transcript
from tests.features.session_page.test_live_updates import Viewer
from tests.security.content.rendering import (
    RUN_ID,
    ask_line,
    buttons,
    folded,
    line,
)
from tests.support.cli.captured import fragments, templates
from tests.support.cli.sessions import OpenSession
from tests.support.environment import Sandbox, Server, until
from tests.support.fuzzing import HISTORY, RARE, STDOUT
from tests.support.pages import dom

HALF = "\ud83d"
ASK = {"command": "ls"}
FAULT = "a fault that was planted"


def says(text: str, kind: str = "text", **fields: Any) -> bytes:
    content = [{"type": kind, kind: text}]
    return line(
        type="assistant", uuid=f"u-{kind}", message={"id": kind, "content": content}, **fields
    )


def said_by_user(text: str, uuid_: str) -> bytes:
    return line(type="user", uuid=uuid_, message={"role": "user", "content": text})


USE = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
LINES = [
    said_by_user("A prompt", "u-prompt"),
    said_by_user("<bash-input>ls</bash-input>", "u-shell"),
    says("Words"),
    says("Thoughts", "thinking"),
    line(type="assistant", uuid="u-tool", message={"id": "m-tool", "content": [USE]}),
    line(type="system", subtype="compact_boundary", uuid="u-notice"),
    line(
        type="assistant",
        uuid="u-error",
        error="overloaded",
        message={"id": "m-error", "content": [{"type": "text", "text": "An error"}]},
    ),
    line(type="of_tomorrow", uuid="u-raw"),
    line(type="result", subtype="success", uuid="u-summary", duration_ms=7),
    ask_line("Bash", ASK),
]


def every_kind() -> list[Block]:
    """A block of each kind, in a conversation."""
    found = folded(LINES).blocks
    branch = BranchBlock(
        id="branch", order="9", created=1, revision=1, children=folded(LINES).blocks
    )
    return [*found, branch]


KINDS = sorted({each.kind for each in vars(blocks).values() if hasattr(each, "kind")} - {""})


def fail(*_: object, **__: object) -> Any:
    raise RuntimeError(FAULT)


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


# --- lines ----------------------------------------------------------------------------------


def test_a_line_that_cannot_be_folded_becomes_a_raw_block(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Transcript, "_result", fail)
    transcript = folded(LINES)
    raw = [each for each in transcript.blocks if isinstance(each, RawBlock)]
    assert [each.type for each in raw] == ["of_tomorrow", TurnResult.__name__]
    assert '"duration_ms": 7' in raw[-1].text
    assert isinstance(transcript.blocks[-1], AskBlock), "the lines behind it are folded"
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


def test_a_line_that_cannot_be_parsed_is_kept_whole(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parser, "_result", fail)
    transcript = folded([LINES[-2]])
    assert [block.type for block in transcript.blocks if isinstance(block, RawBlock)] == ["result"]
    assert len(caplog.records) == 1


# --- halves of surrogate pairs ---------------------------------------------------------------


def positions(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of the texts in a JSON value."""
    match value:
        case str():
            yield ()
        case dict():
            for key, each in value.items():
                yield from ((key, *rest) for rest in positions(each))
        case list():
            for number, each in enumerate(value):
                yield from ((number, *rest) for rest in positions(each))
        case _:
            pass


def with_text(raw: Any, place: tuple[Any, ...], text: str) -> Any:
    """A copy of a JSON value with another text at one place."""
    if not place:
        return text
    first, *rest = place
    copied = raw.copy()
    copied[first] = with_text(raw[first], tuple(rest), text)
    return copied


def kind_of(raw: dict[str, Any]) -> str:
    """The paths of the fields of a line, independent of their texts."""
    shape = sorted({re.sub(r"\d+", "0", str(place)) for place in positions(raw)})
    return json.dumps([raw["type"], raw.get("subtype"), shape])


MESSAGES = {
    kind_of(raw): raw
    for raw in map(json.loads, (*STDOUT, *HISTORY, *RARE, *LINES))
    if isinstance(raw, dict)
}
HALVES = [f"cut {HALF}", f'{{"title": "cut \\ud83d", "\\ude00": ["{HALF}"]}}']


@pytest.mark.parametrize("text", HALVES)
def test_half_a_surrogate_pair_anywhere_in_any_message_takes_nothing(text: str) -> None:
    tried = 0
    for raw in MESSAGES.values():
        for place in positions(raw):
            changed = line(**with_text(raw, place, text))
            transcripts = [
                Transcript("1", run_id=RUN_ID),
                Transcript("0", run_id=None),
            ]
            for transcript in transcripts:
                transcript.feed(parser.parse(LINES[4]), 1)  # the call that a result belongs to
                transcript.feed(parser.parse(changed), 2)
                rendering = fragments()
                whole = WholeBlocks(templates(), "/home/me")
                html = "".join(str(rendering.block(each)) for each in transcript.blocks)
                html += "".join(str(whole.block(each)) for each in transcript.blocks)
                html += "".join(to_markdown.document("t", "/", transcript.blocks))
                html += "".join(hit.after for hit in search.find(transcript.blocks, "u"))
                html.encode()
                assert not any(each.is_unrenderable for each in transcript), (raw, place)
            RunState(ClaudeCodec()).apply_output(parser.parse(changed))
            tried += 1
    assert tried > 500


def test_half_a_surrogate_pair_in_the_json_that_a_tool_printed_is_replaced() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": '{"title": "cut \\ud83d"}'}
    gave = line(type="user", uuid="u", message={"role": "user", "content": [result]})
    use = {**USE, "name": "mcp__shop__list", "input": {}}
    call = line(type="assistant", uuid="a", message={"id": "m", "content": [use]})
    (block,) = folded([call, gave]).blocks
    assert "cut \ufffd" in str(fragments().block(block))


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


# --- programs, and Claude's history ------------------------------------------------------------


def test_unconvertible_line_reaches_a_chat_verbatim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat = ChatEventEncoder("s")
    monkeypatch.setattr(chat, "_turn", fail)
    messages = [message for each in LINES for message in chat.line(each)]
    (raw,) = [message for message in messages if message["type"] == "raw"]
    assert raw["content"].encode() == LINES[-2]
    assert messages[-1]["type"] == "permission_request", "the lines after it are sent"


def test_failing_history_line_and_those_after_it_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(said_by_user("one", "a") + said_by_user("two", "b") + said_by_user("3", "c"))
    part = HistoryPart.of(path, lambda _: False)
    add = part.lineage.add
    monkeypatch.setattr(part.lineage, "add", lambda row: fail() if row["uuid"] == "b" else add(row))
    part.fold([], None)
    first, raw, last = part.transcript.blocks
    assert isinstance(raw, RawBlock)
    assert "two" in raw.text
    assert (first.kind, last.kind) == ("prompt", "prompt")
    assert part.folded_to == path.stat().st_size


def test_a_line_that_the_state_of_a_run_cannot_use_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, RUN_ID)
    record = RunRecord(RUN_ID, str(uuid.uuid4()), "/", (), 0.0, 0).started(1, 0.0)
    run = Run(folder, record, Broadcast(), ClaudeCodec())
    folder.output.write_bytes(b"".join(LINES))
    apply = RunState.apply_output
    monkeypatch.setattr(
        RunState,
        "apply_output",
        lambda state, each: fail() if isinstance(each, TurnResult) else apply(state, each),
    )
    run.fold_new_lines()
    assert list(run.state.asks) == ["r"]
