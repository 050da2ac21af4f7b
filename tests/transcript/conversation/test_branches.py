"""Rewound branches are collapsed: on the page, in search, in exports, in the API, in forks."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.transcript.conversation.branches import MOST, Branches
from opcode_htmx.transcript.conversation.history_part import HistoryPart
from tests.support.environment import Sandbox
from tests.support.server import Server

SESSION = "00000210-0000-4000-8000-000000000000"
FOLDER = "/home/me/code/demo"
PROJECT = "-home-me-code-demo"
PAGE = f"/projects/{PROJECT}/sessions/{SESSION}"


def entry(number: int, parent: int | None, text: str) -> str:
    """A line of a session that was edited in a terminal: odd numbers are prompts."""
    is_prompt = number % 2
    role = "user" if is_prompt else "assistant"
    message = {"role": role, "content": text}
    if not is_prompt:
        message = {"id": f"msg_{number}", "role": role, "content": [{"type": "text", "text": text}]}  # type: ignore[dict-item]
    return json.dumps(
        {
            "parentUuid": None if parent is None else uuid_of(parent),
            "isSidechain": False,
            "cwd": FOLDER,
            "sessionId": SESSION,
            "version": "2.1.330",
            "uuid": uuid_of(number),
            "timestamp": f"2026-11-27T10:00:{number:02}.000Z",
            "type": role,
            "message": message,
        }
    )


def uuid_of(number: int) -> str:
    return f"00000210-0000-4000-8000-{number:012x}"


EDITED = [
    entry(1, None, "Q1 keep"),
    entry(2, 1, "A1 keep"),
    entry(3, 2, "Q2 ABANDONED"),
    entry(4, 3, "A2 ABANDONED"),
    entry(5, 2, "Q2 new branch"),
    entry(6, 5, "A2 new"),
]


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    """The sessions name folders that are not here, which may be forked nevertheless."""
    return {"OPCODE_PROJECT_ROOTS": "/"}


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Server:
    write(shared_server.sandbox, EDITED)
    return shared_server


def write(sandbox: Sandbox, lines: list[str]) -> Path:
    path = sandbox.config_dir / "projects" / PROJECT / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def folded(html: str) -> str:
    """The branch of a page, from its first to its last tag."""
    found = re.search(r'<article class="block block-branch".*?</details>\s*</article>', html, re.S)
    assert found
    return found[0]


def test_rewound_branch_is_collapsed_at_its_place(server: Server) -> None:
    page = server.get(PAGE).text
    branch = folded(page)
    assert "Taken back" in branch
    assert "<details" in branch
    assert not re.search(r"<details[^>]* open", branch)
    assert [text in branch for text in ("Q2 ABANDONED", "A2 ABANDONED", "A2 new")] == [
        *(True, True, False)
    ]
    places = [page.index(text) for text in ("A1 keep", "A2 ABANDONED", "Q2 new branch")]
    assert places == sorted(places)


def test_search_marks_rewound_hits_and_links_into_the_collapsed_branch(server: Server) -> None:
    answer = server.get(f"{PAGE}/search?q=ABANDONED").text
    assert answer.count("Taken back") == 2
    found = re.search(r'href="([^"]*[?&;]hit=([^"&]*)[^"]*)#found"', answer)
    assert found
    page = server.get(unescape(found[1])).text
    assert f'id="b-{found[2]}"' in page
    assert 'id="found"' in page


def test_export_quotes_rewound_branches(server: Server) -> None:
    text = server.get(f"{PAGE}/export.md").text
    assert "## Taken back\n\n> ## You\n>\n> Q2 ABANDONED" in text
    assert "\nQ2 new branch" in text
    assert "Taken back" in folded(server.get(f"{PAGE}/export.html").text)


def test_api_identifies_rewound_lines(server: Server) -> None:
    answer = server.get(f"/api/sessions/{SESSION}/history/{PROJECT}").json()
    assert len(answer["data"]) == len(EDITED)
    assert answer["taken_back"] == [uuid_of(3), uuid_of(4)]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("", ["Q1 keep", "A1 keep", "Q2 new branch", "A2 new"]),
        ("msg_4-0", ["Q1 keep", "A1 keep", "Q2 ABANDONED", "A2 ABANDONED"]),
        ("msg_6-0", ["Q1 keep", "A1 keep", "Q2 new branch", "A2 new"]),
        (uuid_of(5), ["Q1 keep", "A1 keep"]),
    ],
    ids=["whole", "behind what was taken back", "behind an answer", "in front of a prompt"],
)
def test_a_fork_follows_the_branch_that_it_is_made_in(
    server: Server, block: str, expected: list[str]
) -> None:
    answer = server.post(f"{PAGE}/fork", {"block": block} if block else {})
    assert answer.status_code == 303, answer.text
    new = answer.headers["Location"].partition("#")[0].rpartition("/")[2]
    path = history.find(server.sandbox.config_dir, new)
    assert path is not None
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    said = [each["message"]["content"] for each in entries if "message" in each]
    assert [each if isinstance(each, str) else each[0]["text"] for each in said] == expected


def read(path: Path) -> HistoryPart:
    part = HistoryPart.of(path, lambda _: False)
    part.fold([], None)
    return part


def arranged(lines: list[str], path: Path) -> Branches:
    path.write_text("".join(f"{line}\n" for line in lines))
    part, branches = read(path), Branches()
    left = part.lineage.left(part.lineage.leaf)
    branches.arrange(left, part.lineage, [part.transcript.blocks], ())
    return branches


def edits(number: int) -> list[str]:
    """A first turn, and as many prompts behind it, each in place of the one before it."""
    return [*EDITED[:2], *(entry(each, 2, f"Q{each}") for each in range(3, 3 + 2 * number, 2))]


@pytest.mark.parametrize("number", [2, MOST, MOST + 1, MOST + 2, 2 * MOST])
def test_complete_page_receives_no_branch_again(tmp_path: Path, number: int) -> None:
    branches = arranged(edits(number), tmp_path / "session.jsonl")
    assert len(branches.blocks) == number - 1
    assert len(branches.names) <= MOST
    assert list(branches.collapsed_since(branches.names)) == []
    assert len(list(branches.collapsed_since(()))) == number - 1


@pytest.mark.parametrize("number", [2, MOST + 1, MOST + 2, 2 * MOST])
def test_page_receives_a_later_branch(tmp_path: Path, number: int) -> None:
    before = arranged(edits(number), tmp_path / "session.jsonl")
    now = arranged(edits(number + 1), tmp_path / "session.jsonl")
    [new] = {each.id for each in now.blocks} - {each.id for each in before.blocks}
    assert new in {each.id for each in now.collapsed_since(before.names)}


def test_a_file_that_takes_the_place_of_one_just_read_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "session.jsonl", tmp_path / "other.jsonl"
    path.write_text(f"{EDITED[0]}\n")
    other.write_text("".join(f"{line}\n" for line in EDITED))
    part = read(path)
    other.rename(path)
    assert part.is_cut
