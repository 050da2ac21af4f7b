"""Images of a session: allowed formats only, with the type given by their first bytes."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.transcript.content.images import ShownImage, shown_image
from tests.support.cli.captured import line
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.server import Server

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + bytes(9)
GIF = b"GIF89a" + struct.pack("<HH", 30, 20) + bytes(9)
JPEG = (
    b"\xff\xd8\xff\xe0"
    + struct.pack(">H", 16)
    + bytes(14)
    + b"\xff\xc0"
    + struct.pack(">HBHH", 17, 8, 480, 640)
    + bytes(12)
)
WEBP = {
    "lossy": b"VP8 " + bytes(10) + struct.pack("<HH", 64, 48),
    "lossless": b"VP8L" + bytes(5) + (63 | 47 << 14).to_bytes(4, "little") + bytes(9),
    "extended": b"VP8X" + bytes(8) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little"),
}
SESSION = "5e5510a0-0000-4000-8000-00000000001a"


def image(data: bytes, media_type: str = "image/png") -> ImageContent:
    return ImageContent(media_type, base64.b64encode(data).decode())


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (PNG, ShownImage("image/png", 640, 480)),
        (GIF, ShownImage("image/gif", 30, 20)),
        (JPEG, ShownImage("image/jpeg", 640, 480)),
        *(
            (b"RIFF" + bytes(4) + b"WEBP" + form + bytes(9), ShownImage("image/webp", 64, 48))
            for form in WEBP.values()
        ),
    ],
)
def test_an_image_is_what_its_first_bytes_say(data: bytes, found: ShownImage) -> None:
    assert shown_image(image(data, "text/html")) == found
    assert shown_image(image(data[:9])) is None


@pytest.mark.parametrize(
    "data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", PNG[:16] + bytes(20)]
)
def test_unsupported_image_format_is_not_shown(data: bytes) -> None:
    assert shown_image(image(data)) is None


def test_invalid_base64_image_is_not_shown() -> None:
    assert shown_image(ImageContent("image/png", "!" * 40)) is None
    assert shown_image(ImageContent("image/png", "ä")) is None


@given(st.binary(max_size=64), st.sampled_from([PNG, GIF, JPEG, b"RIFF1234WEBPVP8X"]))
def test_broken_image_is_tolerated(rest: bytes, head: bytes) -> None:
    for cut in range(0, len(head), 3):
        shown_image(image(head[:cut] + rest))


@pytest.fixture
def server(sandbox: Sandbox, stand_in: object, start_server: Callable[..., Server]) -> Server:
    def block(data: bytes, media_type: str) -> dict[str, object]:
        content = image(data, media_type)
        source = {"type": "base64", "media_type": media_type, "data": content.data}
        return {"type": "image", "source": source}

    content = [block(PNG, "text/html"), block(b"<svg onload='alert(1)'/>", "image/svg+xml")]
    name = project_id(sandbox.project)
    file = sandbox.config_dir / "projects" / name / f"{SESSION}.jsonl"
    file.parent.mkdir(parents=True)
    message = {"role": "user", "content": content}
    file.write_bytes(line(type="user", uuid="p1", cwd=str(sandbox.project), message=message))
    return start_server(sandbox, stand_in)


def test_an_image_has_an_address_that_gives_it_whole(server: Server, sandbox: Sandbox) -> None:
    page = f"/projects/{project_id(sandbox.project)}/sessions/{SESSION}"
    assert f'src="{page}/blocks/p1/images/0"' in server.get(page).text
    answer = server.get(f"{page}/blocks/p1/images/0")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    for wrong in ("blocks/p1/images/1", "blocks/p1/images/2", "blocks/p2/images/0"):
        assert server.get(f"{page}/{wrong}").status_code == 404
        assert server.get(f"{page}/{wrong}/view").status_code == 404


def test_an_image_has_a_page_with_a_way_back_and_a_download(
    server: Server, sandbox: Sandbox
) -> None:
    page = f"/projects/{project_id(sandbox.project)}/sessions/{SESSION}"
    assert f'href="{page}/blocks/p1/images/0/view"' in server.get(page).text
    answer = server.get(f"{page}/blocks/p1/images/0/view")
    assert answer.headers["Content-Type"].startswith("text/html")
    shown = dom.parse(answer.text)
    by_tag = {node.tag: node.attributes for node in shown.walk() if node.tag == "img"}
    assert (by_tag["img"]["src"], by_tag["img"]["alt"]) == (
        f"{page}/blocks/p1/images/0",
        "Image 1, 640 by 480",
    )
    addresses = {node.attributes.get("href"): node.attributes for node in shown.walk()}
    assert f"{page}?from=p1#b-p1" in addresses
    assert addresses[f"{page}/blocks/p1/images/0"]["download"] == "image-1.png"
    assert "maximum-scale" not in answer.text and "user-scalable" not in answer.text
