"""Content of blocks: output, diffs, images, times and summaries."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from opcode_htmx.rendering import clock
from opcode_htmx.rendering.tool_cards import SHOWN_CHARACTERS
from opcode_htmx.transcript.blocks import Block, BranchBlock, TextBlock, ToolBlock
from tests.rendering.fragments.pages import RUN_ID, links, rendered, tool_lines
from tests.support.cli.captured import Captured, fold, fragments, line
from tests.support.pages import dom


def test_long_output_is_truncated_with_a_link_to_the_whole() -> None:
    output = "x" * (SHOWN_CHARACTERS + 1234)
    result = {"type": "tool_result", "tool_use_id": "a/b", "content": output}
    page = rendered(line(type="user", uuid="u", message={"content": [result]}))
    (pre,) = [node for node in page.walk() if node.tag == "pre"]
    assert pre.text == output[:SHOWN_CHARACTERS]
    (link,) = links(page)
    assert link.attributes["href"] == "/projects/p/sessions/s/blocks/a/b"
    assert "1,234 more characters" in page.text


def test_a_long_diff_is_cut_and_says_by_how_much() -> None:
    use = {"type": "tool_use", "id": "t", "name": "Write", "input": {"content": "a\n" * 500}}
    page = rendered(line(type="assistant", uuid="u", message={"id": "m", "content": [use]}))
    assert len([n for n in page.walk() if n.attributes.get("class") == "diff-add"]) == 200
    assert "Show all (300 more lines)" in page.text


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAD0lEQVR4nGNkYGBgQAIAAMQABp8q"
"""The beginning of an image of three pixels by two."""


def test_an_image_is_shown_with_its_size_at_an_address_of_its_own() -> None:
    image = {"type": "image", "source": {"media_type": "text/html", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image, image]}
    for page in (
        rendered(line(type="user", uuid="t", message={"content": [image, image]})),
        rendered(line(type="user", uuid="u", message={"content": [result]})),
    ):
        images = [node.attributes for node in page.walk() if node.tag == "img"]
        address = "/projects/p/sessions/s/blocks/t/images"
        assert [image["src"] for image in images] == [f"{address}/0", f"{address}/1"]
        assert {(i["width"], i["height"], i["loading"]) for i in images} == {("3", "2", "lazy")}


@pytest.mark.parametrize("data", ["", "QQ==", "PHN2Zz4=", "!", PNG[:24]])
def test_unrenderable_image_is_replaced_by_a_line(data: str) -> None:
    image = {"type": "image", "source": {"media_type": "image/png", "data": data}}
    page = rendered(line(type="user", uuid="u", message={"content": [image]}))
    assert [node for node in page.walk() if node.tag == "img"] == []
    assert "Image image/png" in " ".join(page.text.split())


def test_line_numbers_are_excluded_from_reading_and_copying() -> None:
    details = {
        "file": {"content": "import a\n\nb", "startLine": 9, "numLines": 3, "totalLines": 50}
    }
    page = rendered(*tool_lines("Read", details, file_path="/x/a.py", output="9\timport a"))
    numbers, code = [node for node in page.walk() if node.tag == "pre"]
    assert (numbers.text, numbers.attributes["aria-hidden"]) == ("9\n10\n11", "true")
    assert code.text == "import a\n\nb"
    patch = [{"oldStart": 9, "newStart": 10, "lines": [" a", "-b c", "+b d"]}]
    page = rendered(*tool_lines("Edit", {"structuredPatch": patch}, file_path="/x/a.py"))
    (diff,) = [node for node in page.walk() if node.tag == "pre"]
    assert diff.text == " a-b c+b d"
    assert [(n.attributes["data-o"], n.attributes["data-n"]) for n in diff.elements] == [
        *((" 9", "10"), ("10", "  "), ("  ", "11")),
    ]


def test_a_limit_says_when_it_ends() -> None:
    info = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": 1_795_300_000}
    event = line(type="rate_limit_event", rate_limit_info=info, uuid="u")
    page = rendered(event, event)
    at = f"{datetime.fromtimestamp(1_795_300_000).astimezone():%H:%M}"
    assert page.text.startswith(f"The 5-hour limit is reached. It ends at {at} UTC")
    assert page.text.count("reached") == 1
    (time_,) = (node for node in page.walk() if node.tag == "time")
    assert datetime.fromisoformat(str(time_.attributes["datetime"])).timestamp() == 1_795_300_000


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "22:26 UTC, 21 Nov"),
        ("Europe/Berlin", "23:26 UTC+1, 21 Nov"),
        ("Asia/Kathmandu", "04:11 UTC+5:45, 22 Nov"),
        ("America/St_Johns", "18:56 UTC−3:30, 21 Nov"),
    ],
)
def test_a_phone_in_another_time_zone_can_tell_when_it_is(
    monkeypatch: pytest.MonkeyPatch, zone: str, expected: str
) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert clock.local_time(1_795_300_000) == expected
    finally:
        time.tzset()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"duration_ms": 1234, "total_cost_usd": 0.5}, "1.2 s 0 tokens in, 0 out · $0.50"),
        (
            {"duration_ms": 59_960, "total_cost_usd": 0.00123},
            "1 min 0 s 0 tokens in, 0 out · $0.0012",
        ),
        ({"duration_ms": 119_700}, "2 min 0 s 0 tokens in, 0 out"),
        (
            {"usage": {"input_tokens": 12345, "output_tokens": 6}},
            "0.0 s 12,345 tokens in, 6 out",
        ),
    ],
)
def test_summary_shows_duration_tokens_and_cost_of_a_turn(
    fields: dict[str, Any], expected: str
) -> None:
    page = rendered(line(type="result", uuid="u", **fields))
    assert page.text.strip() == expected


def test_summary_shows_the_cost_of_turn_and_session() -> None:
    page = rendered(
        line(type="result", uuid="u1", total_cost_usd=1.0),
        line(type="result", uuid="u2", total_cost_usd=1.25),
    )
    assert "$0.25 · $1.25 so far" in page.text


def test_every_kind_of_block_is_shown(captured: Captured) -> None:
    kinds = {kind.kind for kind in Block.__subclasses__() + TextBlock.__subclasses__()}
    shell = line(type="user", uuid="u", message={"content": "<bash-input>ls</bash-input>"})
    lines = (*captured.stdout, shell, b"no JSON\n")
    transcript = fold(lines, run_id=RUN_ID)
    render = fragments()
    for block in transcript.blocks:
        kinds.discard(block.kind)
        assert dom.parse(render.block(block)).text.strip()
    assert kinds == {BranchBlock.kind}  # made by a conversation, see test_branches
    assert any(isinstance(block, ToolBlock) for block in transcript.blocks)
