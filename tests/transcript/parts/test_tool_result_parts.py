"""No part of a tool result or a prompt is dropped: each is shown on a line of its own."""

from __future__ import annotations

import base64
import html
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.demo.script import Step
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.messages import PermissionRequest, TurnResult
from opcode_htmx.rendering import search, to_markdown, tool_cards
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript.blocks import PromptBlock, RawBlock, ToolBlock
from opcode_htmx.transcript.content import other_content
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import (
    Claude,
    fold,
    fragments,
    templates,
)
from tests.support.environment import (
    ROOT,
    Sandbox,
    Server,
    until,
)
from tests.support.fuzzing import examples, patient

PDF = b"%PDF-1.4\n" + b"x" * 3000
REAL_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
SESSION = "00000106-0000-4000-8000-000000000000"


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def called(content: object, name: str = "mcp__x__get", **beside: Any) -> tuple[bytes, ...]:
    """A tool's call and its result, as a history file has them."""
    use = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": content}
    return (
        line(type="assistant", uuid="a", message={"id": "m", "content": [use]}),
        line(type="user", uuid="u", message={"role": "user", "content": [result]}, **beside),
    )


def prompted(*blocks: object) -> tuple[bytes, ...]:
    return (line(type="user", uuid="p", message={"role": "user", "content": list(blocks)}),)


def page(lines: tuple[bytes, ...], render: Callable[[Any], str] | None = None) -> str:
    render = render or fragments().block
    return "".join(str(render(block)) for block in fold(lines, run_id=None).blocks)


def words(markup: str) -> str:
    """The visible text of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def tool(lines: tuple[bytes, ...]) -> ToolBlock:
    (block,) = [each for each in fold(lines, run_id=None) if isinstance(each, ToolBlock)]
    return block


def as_pdf(**fields: str) -> dict[str, object]:
    source = {"type": "base64", "media_type": "application/pdf", "data": coded(PDF)}
    return {"type": "document", "source": source, **fields}


KINDS: list[tuple[object, str]] = [
    (["plain", "strings"], "plain strings"),
    ({"foo": "an object"}, '{ "foo": "an object" }'),
    (["a", 5, {"deep": ["er"]}], '"er"'),
    (7, "7"),
    ([{"type": "resource", "resource": {"uri": "file:///a.txt", "text": "its text"}}],
     "Resource file:///a.txt its text"),
    ([{"type": "resource", "resource": {"uri": "https://a.b/c", "mimeType": "x/y",
                                        "blob": "AAAA"}}],
     "Resource x/y 3 bytes https://a.b/c Download"),
    ([{"type": "resource_link", "uri": "https://a.b/c", "name": "thing", "description": "about"}],
     "Resource link thing https://a.b/c about"),
    ([{"type": "resource_link", "uri": "javascript:alert(1)", "name": "thing"}],
     "Resource link thing javascript:alert(1)"),
    ([{"type": "tool_reference", "tool_name": "mcp__x__TOOLREF"}], "Loaded tool mcp__x__TOOLREF"),
    ([as_pdf(title="The plan")], "Document The plan application/pdf 3 KB Download"),
    ([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abcd"},
       "context": "of May"}], "Document text/plain of May abcd"),
    ([{"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}],
     "Document https://a.b/c.pdf"),
    ([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}], "Document file_1"),
    ([{"type": "document", "source": {"type": "content", "content": [
        {"type": "text", "text": "inner"}, {"type": "tool_reference", "tool_name": "q"}]}}],
     "Document inner Loaded tool q"),
    ([{"type": "search_result", "source": "https://a.b", "title": "Found",
       "content": [{"type": "text", "text": "its words"}]}],
     "Search result Found https://a.b its words"),
    ([{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}],
     "Audio audio/wav 3 bytes Download"),
    ([{"type": "video", "source": {"type": "base64", "media_type": "video/mp4", "data": "AAAA"}}],
     "Video video/mp4 3 bytes Download"),
    ([{"type": "container_upload", "file_id": "file_2"}], "Uploaded file file_2"),
    ([{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}],
     "Image https://a.b/c.png"),
    ([{"type": "image", "data": "AAAA", "mimeType": "image/heic"}],
     "Image image/heic 3 bytes Download"),
    ([{"type": "server_tool_use", "name": "web", "input": {"q": "seeds"}}],
     'server_tool_use { "type": "server_tool_use", "name": "web", "input": { "q": "seeds" } }'),
    ([{"type": "of_tomorrow", "what": "?"}], "of_tomorrow"),
    ([{"type": "text", "text": 5}], 'text { "type": "text", "text": 5 }'),
    ([{"type": "text", "text": "a", "citations": [{"url": "u"}]}], '"url": "u"'),
    ([{"type": "document", "source": None, "title": ["odd"]}], '"odd"'),
    ([{"type": "document", "source": {"type": "base64", "data": "no base64!"}}], "no base64!"),
    ([{"type": "resource", "resource": "a string"}], '"a string"'),
    ([{"type": "search_result", "source": 5, "title": "t", "content": "words"}], "words"),
    ([{"type": "tool_result", "content": "nested"}], "nested"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "shown"), KINDS)
def test_each_part_of_a_result_is_on_the_page_and_in_exports(content: object, shown: str) -> None:
    lines = called(content)
    assert shown in words(page(lines))
    assert shown in words(page(lines, WholeBlocks(templates(), "/home/me").block))
    # there is no download in plain text, and addresses and labels stand with other signs
    said = [word for word in re.findall(r"[\w/:.\"]{3,}", shown) if word != "Download"]
    for text in (to_markdown.source(tool(lines)), tool_cards.full_text(tool(lines))):
        assert all(word in text for word in said)
    assert list(search.find([tool(lines)], said[-1] if said else shown))


def test_parts_keep_their_order() -> None:
    reference = {"type": "tool_reference", "tool_name": "between"}
    shown = words(page(called([{"type": "text", "text": "first"}, reference, "last"])))
    assert shown.index("first") < shown.index("between") < shown.index("last")


def test_only_addresses_of_the_web_become_links() -> None:
    named = ("https://a.b/c", "javascript:alert(1)", "file:///etc", "//a.b", "http:c", "data:x")
    links = [{"type": "resource_link", "uri": uri, "name": "n"} for uri in named]
    shown = page(called(links))
    assert re.findall(r'<a href="([^"]*)"[^>]*rel="noopener noreferrer"', shown) == [named[0]]
    assert all(uri in html.unescape(shown) for uri in named)


def test_listed_tool_shows_result_parts_beside_its_text() -> None:
    """Its line says all there is to say, as long as nothing else came."""
    shown = page(called([{"type": "tool_reference", "tool_name": "q"}], "TodoWrite"))
    assert "Loaded tool" in words(shown)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "text", "data": "the words"}, "title": "Notes"},
        {"type": "of_tomorrow", "what": "the words"},
        {"type": "search_result", "source": "x", "title": "t", "content": "the words"},
    ],
)
def test_non_text_prompt_blocks_are_shown_with_the_prompt(block: dict[str, Any]) -> None:
    lines = prompted(block, {"type": "text", "text": "Read this."})
    assert "Read this." in words(page(lines))
    assert "the words" in words(page(lines))
    (prompt,) = fold(lines, run_id=None)
    assert isinstance(prompt, PromptBlock)
    assert prompt.text == "Read this."
    assert "the words" in to_markdown.source(prompt)
    assert list(search.find([prompt], "the words"))
    assert "the words" in words(page(prompted(block)))  # a prompt without words as well


@pytest.mark.parametrize("block", [as_pdf(), {"type": "image", "source": {"data": PNG,
                          "media_type": "image/png"}}, {"type": "of_tomorrow", "a": "b"},
                         {"type": "tool_result", "content": [as_pdf()]}])  # fmt: skip
def test_non_text_assistant_blocks_are_shown(block: dict[str, Any]) -> None:
    lines = (line(type="assistant", uuid="a", message={"id": "m", "content": [block]}),)
    (raw,) = fold(lines, run_id=None)
    assert isinstance(raw, RawBlock)
    assert any(each in page(lines) for each in ("application/pdf", "<img", "of_tomorrow"))
    assert to_markdown.source(raw) != "```json\n\n```"


# --- what is meant for the model -----------------------------------------------------------------

REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (f"a\n\n{REMINDER}\n", "a"),
        (f"a\n{REMINDER}\n\n{REMINDER}", "a"),
        (REMINDER, ""),
        (f"{REMINDER}\na", f"{REMINDER}\na"),
        (f"a\n{REMINDER}\nb", f"a\n{REMINDER}\nb"),
        (f"a {REMINDER}", f"a {REMINDER}"),
        ("1\ta\n2\t<system-reminder>x</system-reminder>", None),
        ("a</system-reminder>", "a</system-reminder>"),
        ("<tool_use_error>No.</tool_use_error>", "No."),
        ("(mcp__x__get completed with no output)", ""),
    ],
)
def test_only_whole_blocks_at_the_end_of_a_result_are_the_clis(
    output: str, shown: str | None
) -> None:
    assert tool_cards.result_text(tool(called(output))) == (output if shown is None else shown)


def test_a_result_that_its_tool_has_noted_itself_is_shown_as_noted() -> None:
    own = f"a\n{REMINDER}"
    for noted in (own, [{"type": "text", "text": own}]):
        assert tool_cards.result_text(tool(called(own, toolUseResult=noted))) == own
        added = called(f"{own}\n\n{REMINDER}", toolUseResult=noted)
        assert tool_cards.result_text(tool(added)) == own


def test_rejected_call_shows_only_the_reason_given() -> None:
    for_the_model = "Nobody wants this call. Leave it alone and wait"
    stopped = "User rejected tool use"
    assert tool_cards.result_text(tool(called(for_the_model, toolUseResult=stopped))) == ""
    said = f"{for_the_model}. And the user said:\nUse spades."
    assert tool_cards.result_text(tool(called(said, toolUseResult=stopped))) == "Use spades."


@pytest.mark.parametrize(
    ("name", "output", "details"),
    [
        ("Edit", "The file holds the new words now.", None),
        ("TodoWrite", "The list is the new one. Go on with it.", None),
        ("ExitPlanMode", "The plan was allowed. Begin with it.", None),
        ("Task", "The agent a1 has begun.", {"status": "async_launched"}),
        ("Bash", "The command goes on as b1.", {"backgroundTaskId": "b1"}),
    ],
)
def test_confirmations_for_the_model_are_not_exported(
    name: str, output: str, details: object
) -> None:
    block = tool(called(output, name, toolUseResult=details))
    assert tool_cards.result_text(block) == ""
    assert output not in to_markdown.source(block)


# --- structured results --------------------------------------------------------------------------


def test_a_structured_result_is_shown_unless_the_text_holds_it() -> None:
    beside: dict[str, Any] = {"mcpMeta": {"structuredContent": {"k": "STRUCTURED"}}}
    assert "Structured result" in words(page(called("hi", toolUseResult="hi", **beside)))
    same = '{"k":"STRUCTURED"}'
    assert "Structured result" not in words(page(called(same, toolUseResult=same, **beside)))
    live = called("hi", tool_use_result={"content": "hi", "structuredContent": {"k": "STRUCTURED"}})
    assert page(live) == page(called("hi", toolUseResult="hi", **beside)).replace(
        *(re.findall(r'data-order="[^"]*"', page(each))[0] for each in (live, live))
    )


# --- downloads -----------------------------------------------------------------------------------


@pytest.fixture
def server(sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]) -> Server:
    hostile = {"type": "base64", "media_type": "text/html", "data": coded(b"<script>1</script>")}
    parts = [
        {"type": "text", "text": "before"},
        as_pdf(title="The plan of May"),
        {"type": "document", "title": '../"x\r\ny新聞".html', "source": hostile},
        {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
    ]
    folder = sandbox.config_dir / "projects" / project_id(sandbox.project)
    folder.mkdir(parents=True)
    prompt = prompted(as_pdf(), {"type": "text", "text": "Read this."})
    lines = [json.loads(each) | {"cwd": str(sandbox.project)} for each in (*prompt, *called(parts))]
    (folder / f"{SESSION}.jsonl").write_bytes(b"".join(line(**each) for each in lines))
    return start_server(sandbox, stand_in)


def test_data_can_be_downloaded_and_is_never_rendered(server: Server, sandbox: Sandbox) -> None:
    path = f"/projects/{project_id(sandbox.project)}/sessions/{SESSION}"
    shown = server.get(path).text
    addresses = re.findall(r'<a href="([^"]*/files/\d+)" download', shown)
    blocks = f"{path}/blocks"
    assert addresses == [f"{blocks}/p/files/0", *(f"{blocks}/t/files/{n}" for n in range(3))]
    answers = [server.get(address) for address in addresses]
    assert [each.content for each in answers[:2]] == [PDF, PDF]
    assert [each.headers["Content-Type"].partition(";")[0] for each in answers] == [
        *("application/pdf", "application/pdf", "application/octet-stream", "audio/wav"),
    ]
    for each in answers:
        assert each.headers["Content-Disposition"].startswith("attachment; filename=")
        assert each.headers["X-Content-Type-Options"] == "nosniff"
        assert each.headers["Content-Security-Policy"] == "sandbox"
    assert [each.headers["Content-Disposition"].partition("=")[2] for each in answers] == [
        "document.pdf",
        '"The plan of May.pdf"',
        "xy.html; filename*=UTF-8''xy%E6%96%B0%E8%81%9E.html",
        "audio.wav",
    ]
    for wrong in ("p/files/1", "t/files/3", "u/files/0"):
        assert server.get(f"{blocks}/{wrong}").status_code == 404


def test_an_export_holds_what_the_page_links(server: Server, sandbox: Sandbox) -> None:
    path = f"/projects/{project_id(sandbox.project)}/sessions/{SESSION}"
    exported = server.get(f"{path}/export.html").text
    assert f"data:application/octet-stream;base64,{coded(PDF)}" in exported
    assert "/files/" not in exported
    assert "The plan of May, application/pdf, 3 KB" in server.get(f"{path}/export.md").text
    assert "<mark>plan of May</mark>" in server.get(f"{path}/search?q=plan+of+may").text
    assert "application/pdf" in server.get(f"{path}/blocks/p").text


# --- the real CLI --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(
    claude: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[ToolBlock, ToolBlock]]:
    """Calls of the real CLI by their tool, as they came and as history has them."""
    sandbox = Sandbox(tmp_path_factory.mktemp("parts") / "home").make()
    picture = {"output_type": "display_data", "data": {"image/png": PNG}, "metadata": {}}
    printed = {"output_type": "stream", "name": "stdout", "text": ["NBOUT\n"]}
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "source": ["print('NBSRC')\n"]}
    cells = [cell | {"outputs": [printed, picture], "execution_count": 1}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (sandbox.project / "n.ipynb").write_text(json.dumps(notebook))
    (sandbox.project / "a.pdf").write_bytes(REAL_PDF)
    (sandbox.project / "empty.txt").touch()
    server = str(ROOT / "tests/support/cli/mcp_server.py")
    command = {"command": sys.executable, "args": [server, "parts"]}
    settings = json.dumps({"mcpServers": {"parts": command}})
    (sandbox.config_dir / ".claude.json").write_text(settings)
    read = [
        ToolUse("Read", {"file_path": str(sandbox.project / name)})
        for name in ("n.ipynb", "a.pdf", "empty.txt")
    ]
    names = ("linked", "structured", "nothing", "failing", "reminding")
    steps: list[Step] = [
        *read,
        *(ToolUse(f"mcp__parts__{name}", {}) for name in names),
        Text("Done."),
    ]
    # what it finds goes to the model with words that the scripted one takes for a prompt
    find = [ToolUse("ToolSearch", {"query": "select:mcp__parts__linked"})]
    scenes = (
        Scene("go", "go", steps),
        Scene("find", "find", find),
        Scene("rest", "", [Text("Done.")]),
    )
    with MessagesApi(scenes) as api:
        cli = Claude(claude, sandbox, api.url)
        try:
            for prompt in ("go", "find"):
                cli.prompt(prompt)
                while not isinstance(message := cli._read(), TurnResult):
                    if isinstance(message, PermissionRequest):
                        cli.send(encoder.allow_line(message.request_id, message.input))
            cli.end()
        finally:
            cli._process.kill()
    noted = until(lambda: history.find(sandbox.config_dir, cli.session_id), "it has a history")
    assert noted
    past = tuple(noted.read_bytes().splitlines(keepends=True))
    live = _tools(fold(tuple(cli.lines), run_id="r" * 32))
    return {name: (each, _tools(fold(past, run_id=None))[name]) for name, each in live.items()}


def _tools(transcript: Transcript) -> dict[str, ToolBlock]:
    found = [each for each in transcript if isinstance(each, ToolBlock)]
    return {Path(str(each.input.get("file_path", each.name))).name: each for each in found}


def test_live_and_past_show_the_same_parts(real: dict[str, tuple[ToolBlock, ToolBlock]]) -> None:
    assert len(real) == 9
    for live, past in real.values():
        assert live.parts == past.parts
        assert tool_cards.present_block(live, "") == tool_cards.present_block(past, "")
        assert to_markdown.source(live) == to_markdown.source(past)


def test_a_notebook_that_was_read_shows_its_outputs_and_their_images(
    real: dict[str, tuple[ToolBlock, ToolBlock]],
) -> None:
    for block in real["n.ipynb"]:
        shown = str(fragments().block(block))
        assert "In [1]: print ( 'NBSRC' ) Out [1]: NBOUT" in words(shown)
        assert 'alt="Image 1, 1 by 1"' in shown
        assert "NBOUT" in to_markdown.source(block)
        assert "Image: image/png, 1 × 1" in to_markdown.source(block)
        assert list(search.find([block], "nbout"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.pdf", f"Document application/pdf {len(REAL_PDF)} bytes Download"),
        ("ToolSearch", "Loaded tool mcp__parts__linked"),
        ("mcp__parts__linked", "Resource link The plan https://orchard.example/plan"),
        ("mcp__parts__structured", "SUNNY"),
        ("mcp__parts__reminding", "<system-reminder>MY OWN WORDS</system-reminder>"),
        ("mcp__parts__failing", "No such tree."),
    ],
)
def test_tool_results_of_the_real_cli_are_on_the_card(
    real: dict[str, tuple[ToolBlock, ToolBlock]], name: str, shown: str
) -> None:
    for block in real[name]:
        assert shown in words(str(fragments().block(block)))


@pytest.mark.parametrize(
    ("name", "text"),
    [("empty.txt", ""), ("mcp__parts__nothing", ""), ("mcp__parts__failing", "No such tree.")],
)
def test_model_notes_of_the_real_cli_are_omitted(
    real: dict[str, tuple[ToolBlock, ToolBlock]], name: str, text: str
) -> None:
    for block in real[name]:
        assert block.output != text
        assert tool_cards.result_text(block) == text


# --- any JSON ------------------------------------------------------------------------------------

TYPES = sorted(other_content._KINDS) + [
    "text",
    "thinking",
    "tool_use",
    "tool_result",
    "of_tomorrow",
]
FIELDS = [
    *("type", "text", "source", "data", "media_type", "mimeType", "title", "name", "uri", "url"),
    *("resource", "blob", "content", "file_id", "tool_name", "context", "description", "other"),
]
marked = st.integers(100_000, 999_999).map("word {} <&>".format)
scalars = st.none() | st.booleans() | st.integers(0, 99) | marked
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | st.builds(
            lambda type_, fields: {**fields, "type": type_},
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
        )
    ),
    max_leaves=12,
)


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from strings(each)
        case list():
            for each in value:
                yield from strings(each)


def trace(text: str, shown: str) -> bool:
    return text in html.unescape(shown) or text in TYPES


@patient
@examples(150)
@given(anything, st.sampled_from(["mcp__x__get", "Read", "Bash", "WebFetch", "Task", "TodoWrite"]))
@example([{"type": "document", "source": {"type": "word 100000 <&>", "data": 5}}], "Read")
@example([{"type": "image", "source": {"data": "word 100001 <&>", "media_type": "x"}}], "Bash")
def test_every_string_of_any_result_leaves_a_trace_on_the_page(content: object, name: str) -> None:
    lines = called(content, name)
    shown, whole = page(lines), tool_cards.full_text(tool(lines))
    quiet = name == "TodoWrite"  # its text only confirms
    for text in strings(content):
        if quiet and isinstance(content, str):
            continue
        assert trace(text, shown) or quiet, (text, shown)
        assert trace(text, whole) or quiet, (text, whole)


@patient
@examples(60)
@given(st.lists(anything, max_size=3))
def test_every_string_of_any_prompt_leaves_a_trace_on_the_page(blocks: list[object]) -> None:
    blocks = [each for each in blocks if not _is_result(each)]
    shown = page(prompted(*blocks))
    for text in strings(blocks):
        assert trace(text, shown), (text, shown)


def _is_result(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def test_a_block_that_is_streamed_without_its_text_yet_is_a_text() -> None:
    begun = parser.parse(
        line(type="stream_event", event={"type": "content_block_start", "index": 0,
                                         "content_block": {"type": "text"}})
    )  # fmt: skip
    assert "TextContent" in repr(begun)
