"""PDF documents, whose pages are shown as images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.event import Event

from opcode_htmx.features.files.documents import renderer
from opcode_htmx.lib import images
from opcode_htmx.lib.concurrency.child_process import ChildProcess
from tests.features.files.conftest import Project
from tests.features.files.drawn import PICTURE, drawing_processes, pixel
from tests.support import pdf
from tests.support.environment import PATIENCE, has_ended, until


def test_a_document_is_shown_page_by_page(project: Project) -> None:
    project.write("a b.pdf", pdf.document(3))
    page = project.get("view", path="a b.pdf").text
    pictures = PICTURE.findall(page)
    assert [each[3] for each in pictures] == ["Page 1 of 3", "Page 2 of 3", "Page 3 of 3"]
    assert {each[1:3] for each in pictures} == {("780", "1170")}
    assert "3 pages" in page
    assert "More pages" not in page
    assert ">Download</a>" in page
    image = project.client.get(pictures[1][0].replace("&amp;", "&"))
    assert images.kind_of(image.data) == "image/png"
    assert images.size_of(image.data) == (780, 1170)
    assert pixel(image.data, 10, 1160) == b"\xff\0\0"
    assert pixel(image.data, 10, 10) == b"\xff\xff\xff"


def test_an_image_of_a_page_can_do_nothing_in_our_name(project: Project) -> None:
    project.write("a.pdf", pdf.document())
    headers = project.get("pdf-page", path="a.pdf", page="1").headers
    assert headers["Content-Type"] == "image/png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].endswith("; sandbox")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_page_alone_is_drawn_larger(project: Project) -> None:
    project.write("a.pdf", pdf.document(box="0 0 595 842"))
    image = project.get("pdf-page", path="a.pdf", page="1", large="1").data
    width, height = images.size_of(image) or (0, 0)
    assert width == 1600
    assert height == 2265


def test_a_page_without_colours_has_one_channel(project: Project) -> None:
    project.write("a.pdf", pdf.document(content=b"0.5 g 0 0 100 100 re f"))
    image = project.get("pdf-page", path="a.pdf").data
    assert image[25] == 0
    assert 126 <= pixel(image, 10, 1160)[0] <= 129


def test_a_long_document_comes_in_parts(project: Project) -> None:
    project.write("long.pdf", pdf.document(1_200))
    first = project.get("view", path="long.pdf").text
    assert [each[3] for each in PICTURE.findall(first)][-1] == "Page 10 of 1200"
    assert "Pages 1–10 of 1,200" in first
    assert "page=11" in first
    assert "Earlier pages" not in first
    middle = project.get("view", path="long.pdf", page="505").text
    assert "Pages 501–510 of 1,200" in middle
    assert "page=491" in middle
    assert "page=511" in middle
    end = project.get("view", path="long.pdf", page="999999999").text
    assert "Pages 1,191–1,200 of 1,200" in end
    assert "More pages" not in end


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pdf.locked(), "locked by a password"),
        (b"%PDF-1.7 /JS", "is damaged"),
        (pdf.document(3)[:300], "is damaged"),
    ],
)
def test_a_document_that_cannot_be_opened_says_why(
    project: Project, content: bytes, words: str
) -> None:
    project.write("bad.pdf", content)
    page = project.get("view", path="bad.pdf")
    assert page.status_code == 200
    assert words in page.text
    assert ">Download</a>" in page.text
    assert "<img src" not in page.text.partition("<main")[2]
    image = project.get("pdf-page", path="bad.pdf")
    assert image.status_code == 422
    assert words in image.text


@pytest.mark.parametrize(
    "box",
    [
        "0 0 1000000000 1000000000",
        "0 0 1 14400",
        "0 0 14400 1",
        "0 0 0 0",
        "0 0 99999999999999999999 1",
    ],
)
def test_a_page_of_any_size_is_an_image_within_bounds(project: Project, box: str) -> None:
    project.write("odd.pdf", pdf.document(box=box))
    [(_, width, height, _)] = PICTURE.findall(project.get("view", path="odd.pdf").text)
    size = images.size_of(project.get("pdf-page", path="odd.pdf").data)
    assert size is not None
    assert size[0] <= renderer.WIDTH
    assert size[1] <= 8_000
    assert abs(size[0] - int(width)) <= 1
    assert abs(size[1] - int(height)) <= 1


def test_a_page_that_takes_too_much_memory_is_a_sentence(project: Project) -> None:
    project.write("bomb.pdf", pdf.bomb())
    answer = project.get("pdf-page", path="bomb.pdf")
    assert answer.status_code == 422
    assert "too much time or memory" in answer.text
    assert drawing_processes() == []


def test_a_page_that_takes_too_long_is_a_sentence_and_its_process_ends(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer, "SECONDS", 0.01)
    project.write("a.pdf", pdf.document())
    answer = project.get("pdf-page", path="a.pdf")
    assert answer.status_code == 422
    assert "too much time or memory" in answer.text
    assert "too much time or memory" in project.get("view", path="a.pdf").text
    assert drawing_processes() == []


def test_an_image_larger_than_the_limit_is_not_sent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer, "MOST_BYTES", 1000)
    project.write("a.pdf", pdf.document())
    assert project.get("pdf-page", path="a.pdf").status_code == 422
    assert drawing_processes() == []


def test_no_more_than_two_pages_are_drawn_at_a_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = most = 0
    are_two = Event()
    start, collect = renderer._started, renderer._collected

    def started(*arguments: Any) -> ChildProcess:
        nonlocal drawing, most
        drawing += 1
        most = max(most, drawing)
        if drawing == 2:
            are_two.set()
        return start(*arguments)

    def collected(child: ChildProcess) -> bytes:
        nonlocal drawing
        assert are_two.wait(PATIENCE), "the first one is not over before another one begins"
        image = collect(child)
        drawing -= 1
        return image

    def status(address: str) -> int:
        return project.client.get(address).status_code

    monkeypatch.setattr(renderer, "_started", started)
    monkeypatch.setattr(renderer, "_collected", collected)
    project.write("a.pdf", pdf.document(4))
    addresses = [f"{project.address}/pdf-page?path=a.pdf&page={page}" for page in range(1, 5)]
    asking = [gevent.spawn(status, each) for each in addresses]
    gevent.joinall(asking, raise_error=True)
    assert [each.value for each in asking] == [200] * 4
    assert most == 2


def test_a_page_that_waits_too_long_for_its_turn_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.pdf", pdf.document())
    monkeypatch.setattr(renderer, "WAIT_SECONDS", 0.01)
    for _ in range(renderer.AT_ONCE):
        renderer._slots.acquire()
    try:
        answer = project.get("pdf-page", path="a.pdf")
        page = project.get("view", path="a.pdf")
    finally:
        for _ in range(renderer.AT_ONCE):
            renderer._slots.release()
    assert answer.status_code == 503
    assert "still being drawn" in page.text
    assert project.get("pdf-page", path="a.pdf").status_code == 200


def test_a_page_that_a_browser_has_is_drawn_again_only_if_the_file_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.pdf", pdf.document())
    address = f"{project.address}/pdf-page?path=a.pdf&page=1"
    tag = {"If-None-Match": project.client.get(address).headers["ETag"]}
    with monkeypatch.context() as patched:
        patched.delattr(renderer, "_started")
        assert project.client.get(address, headers=tag).status_code == 304
    project.write("a.pdf", pdf.document(content=b""))
    assert project.client.get(address, headers=tag).status_code == 200


def test_there_are_no_images_of_other_files_and_pages(project: Project) -> None:
    project.write("a.pdf", pdf.document())
    project.write("a.txt", "%PD")
    assert project.get("pdf-page", path="a.pdf", page="2").status_code == 404
    assert project.get("pdf-page", path="a.txt").status_code == 422
    assert project.get("pdf-page", path="none.pdf").status_code == 404
    (project.sandbox.project / "secret.pdf").write_bytes(pdf.document())
    assert project.get("pdf-page", path="../secret.pdf").status_code == 422
    (project.folder / "link.pdf").symlink_to("../secret.pdf")
    assert project.get("pdf-page", path="link.pdf").status_code == 422


def test_the_process_that_draws_gets_no_environment_and_the_open_file_only(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []
    start = ChildProcess

    def noted(
        program: str, arguments: list[str], environment: dict[str, str], **rest: int
    ) -> object:
        seen.append((arguments, environment))
        return start(program, arguments, environment, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(renderer, "ChildProcess", noted)
    project.write("private name.pdf", pdf.document())
    assert project.get("pdf-page", path="private name.pdf").status_code == 200
    [(arguments, environment)] = seen
    assert environment == {"PYTHONUTF8": "1"}
    assert "private name" not in " ".join(arguments)


@pytest.mark.parametrize("page", ["0", "-1", "NaN", "1.5", "9999999999", "", "²"])
def test_what_is_no_number_of_a_page_is_no_page(project: Project, page: str) -> None:
    project.write("a.pdf", pdf.document())
    answer = project.get("pdf-page", path="a.pdf", page=page)
    assert answer.status_code == 404
    assert "no such page" in answer.text


ASKS = """
import subprocess, sys, time
with open(sys.argv[1], "rb") as file:
    program = [sys.executable, "-P", sys.argv[2], "draw", "1", "1600"]
    child = subprocess.Popen(program, stdin=file, stdout=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit of CPU time ends it")
def test_a_process_that_draws_ends_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "slow.pdf"
    path.write_bytes(pdf.document(content=b"0 0 m 200 300 l S\n" * 1_000_000))
    asks = [sys.executable, "-c", ASKS, str(path), str(renderer._PROGRAM)]
    with subprocess.Popen(asks, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        drawing = psutil.Process(int(server.stdout.readline()))
        until(lambda: used(drawing) > 0.1, "it draws")
        server.kill()
    most = 0.0

    def is_over() -> bool:
        nonlocal most
        most = max(most, used(drawing))
        return has_ended(drawing)

    until(is_over, "it has ended")
    assert most < renderer.SECONDS / 4, "it did not end by its limit"


def used(process: psutil.Process) -> float:
    """The CPU time of a process, in seconds; 0 if it has ended."""
    try:
        return float(process.cpu_times().user)
    except psutil.NoSuchProcess:
        return 0.0
