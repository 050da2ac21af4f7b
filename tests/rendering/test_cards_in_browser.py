"""The cards in a real browser, live, for tools used by the real Claude CLI."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CODE = "".join(f"def f{number}(x):\n    return x + {number}\n\n" for number in range(60))
FAIL = r"printf '\033[31mred\033[0m\n'; echo working; exit 3"
ANSWER = "Done.\n\n- [x] one\n- [ ] two\n\n```python\nreturn 'a' * 3  # code\n```\n"


def picture(width: int, height: int) -> bytes:
    """A grey PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def scenes(project: Path, gate: threading.Event) -> tuple[Scene, ...]:
    app, notes = str(project / "app.py"), str(project / "notes.md")
    edit = {"file_path": app, "old_string": "return x + 41\n", "new_string": "return x - 41\n"}
    todo = {"description": "d", "activeForm": "Digging"}
    return (
        Scene("look", "look around", [ToolUse("Bash", {"command": "echo sub"}), Text("I looked.")]),
        Scene(
            "tools",
            "use them",
            [
                ToolUse("TaskCreate", {"subject": "Dig", **todo}),
                ToolUse("TaskCreate", {"subject": "Sow", **todo}),
                ToolUse("TaskUpdate", {"taskId": "1", "status": "in_progress"}),
                ToolUse("Read", {"file_path": app, "offset": 120, "limit": 60}),
                ToolUse("Read", {"file_path": str(project / "shot.png")}),
                ToolUse("Edit", edit),
                ToolUse("Write", {"file_path": notes, "content": "one\ntwo\n"}),
                ToolUse("Bash", {"command": FAIL, "description": "Fail"}),
                ToolUse(
                    "Task",
                    {
                        "description": "Look",
                        "prompt": "look around",
                        "subagent_type": "general-purpose",
                        "run_in_background": False,
                    },
                ),
                Text("Half of it is done. " * 4, gate=gate),
            ],
        ),
        Scene(
            "rest",
            "the rest",
            [ToolUse("TaskUpdate", {"taskId": "1", "status": "completed"}), Text(ANSWER)],
        ),
        Scene("anything", "", [Text("Yes.")]),
    )


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def server(
    sandbox: Sandbox, claude: Path, gate: threading.Event, start_server: Callable[..., Server]
) -> Iterator[Server]:
    (sandbox.project / "app.py").write_text(CODE, encoding="utf-8")
    (sandbox.project / "shot.png").write_bytes(picture(40, 30))
    rules = {"permissions": {"allow": ["Bash", "Edit", "Write"]}}
    (sandbox.config_dir / "settings.json").write_text(json.dumps(rules), encoding="utf-8")
    with MessagesApi(scenes(sandbox.project, gate)) as api:
        yield start_server(sandbox, claude, api.url, CLAUDE_CODE_ENABLE_TODO_TOOLS="1")
        gate.set()


def card(phone: Phone, text: str) -> Locator:
    return phone.page.locator(".block-tool").filter(has_text=text).first


def lines(phone: Phone) -> list[str]:
    """The texts of the closed cards."""
    top = "#transcript > .block-tool >"
    heads = phone.page.locator(f"{top} details > summary, {top} .tool-line")
    return [" ".join(head.split()) for head in heads.all_inner_texts()]


def test_every_tool_card_has_a_summary_and_opens_to_details(
    sandbox: Sandbox, server: Server, gate: threading.Event, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    phone.begin(sandbox.project, "use them")
    expect(phone.page.locator(".block-text").last).to_contain_text("Half of")
    assert lines(phone) == [
        "New task Dig done",
        "New task Sow done",
        "Task #1 in progress done",
        "Read app.py 120–179 done",
        "Read shot.png done",
        "Edit app.py +1 −1 done",
        "Write notes.md +2 done",
        rf"Bash {FAIL} — exit 3 error",
        "Task Look — 1 tool call done",
    ]

    # the list of tasks stands by the composer, and stays open while it changes
    todos = phone.page.locator("#todos")
    expect(todos.locator("summary")).to_have_text("0 of 2 done Digging")
    todos.locator("summary").click()
    expect(todos.locator("li.todo-now")).to_contain_text("Dig")

    read = card(phone, "120–179")
    read.locator("summary").click()
    expect(read.locator(".tool-output")).to_contain_text("def f41(x):\n    return x + 41")
    expect(read.locator(".numbers")).to_contain_text("120\n121\n122")
    assert read.locator(".tool-output .k").first.inner_text() == "def"

    edit = card(phone, "Edit")
    edit.locator("summary").click()
    expect(edit.locator(".diff-del .m, .diff-add .m")).to_have_text(["+", "-"])
    assert edit.locator(".diff-add").get_attribute("data-n") == "125"

    failed = card(phone, "exit 3")
    failed.locator("summary").click()
    expect(failed.locator(".tool-output")).to_have_text("red\nworking")
    expect(failed.locator(".a1")).to_have_text("red")

    agent = card(phone, "tool call")
    agent.locator("> details > summary").click()
    expect(agent.locator(".children .block-tool > details > summary")).to_contain_text("echo sub")
    expect(agent.locator(".children .block-text")).to_have_text("I looked.")
    expect(agent.get_by_text("I looked.")).to_have_count(1)

    image = card(phone, "shot.png").locator("img")
    image.scroll_into_view_if_needed()
    expect(image).to_have_js_property("naturalWidth", 40)
    assert image.bounding_box()

    gate.set()
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.send("the rest")
    expect(todos.locator("summary")).to_contain_text("1 of 2 done")
    expect(todos.locator("li.todo-done")).to_be_visible()
    answer = phone.page.locator(".block-text").last
    expect(answer.locator(".task.done")).to_contain_text("one")
    expect(answer.locator("pre .s")).to_have_text("'a'")
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(phone.transcript.locator("> .block-summary")).to_have_count(2)

    live = phone.dom()
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    expect(phone.page.locator("#earlier a")).to_have_count(0)  # the first ones come after the paint
    assert phone.dom() == live


def test_no_card_makes_the_page_wider_than_the_screen(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> None:
    long = "word" * 60
    tools: list[tuple[str, dict[str, object], object]] = [
        ("Read", {"file_path": f"/{long}"}, {"file": {"content": f"{long} = 1", "startLine": 1}}),
        ("Grep", {"pattern": long}, {"numFiles": 1, "filenames": [long]}),
        ("Edit", {"file_path": long, "old_string": long, "new_string": f"{long} a"}, None),
        ("Write", {"file_path": long, "content": long}, None),
        ("Bash", {"command": long}, {"stdout": long}),
        ("WebFetch", {"url": f"https://{long}.org/{long}"}, None),
        (
            "WebSearch",
            {"query": long},
            {"results": [{"content": [{"url": f"https://a.b/{long}"}]}]},
        ),
        ("Task", {"description": long, "prompt": long}, {"totalToolUseCount": 9}),
        ("TodoWrite", {"todos": [{"content": long, "status": "in_progress"}]}, None),
        ("AskUserQuestion", {"questions": [{"question": long}]}, {"answers": {long: long}}),
        (f"mcp__{long}__{long}", {"a": long}, None),
    ]
    steps = []
    for number, (name, tool_input, details) in enumerate(tools):
        use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": tool_input}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": long}
        call = {"type": "assistant", "message": {"id": f"m{number}", "content": [use]}}
        gave = {"type": "user", "uuid": f"u{number}", "message": {"content": [result]}}
        both = [call, {**gave, "tool_use_result": details}]
        steps += [["raw", json.dumps(each) + "\n"] for each in both]
    phone = open_phone(start_server(sandbox, stand_in))
    phone.begin(sandbox.project, json.dumps(steps))
    expect(phone.page.locator(".block-tool")).to_have_count(len(tools))
    for open_ in (False, True):
        phone.page.evaluate(
            "open => document.querySelectorAll('details').forEach(each => (each.open = open))",
            open_,
        )
        for width in (320, 360, 390, 1280):
            phone.page.set_viewport_size({"width": width, "height": 800})
            by = phone.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert by == 0, (width, open_)
            wide = phone.page.evaluate(
                """() => [...document.querySelectorAll(".block, .todos")]
                    .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
                    .map(each => each.id)"""
            )
            assert wide == [], (width, open_)
