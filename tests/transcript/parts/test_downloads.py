"""Data in a result or a prompt can be downloaded, and is never rendered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox
from tests.support.server import Server
from tests.transcript.parts.parts import PDF, SESSION, as_pdf, called, coded, line, prompted


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
