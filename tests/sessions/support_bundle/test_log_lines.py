"""The end of the log in a support bundle: whole lines, and nothing that an exception quotes."""

from __future__ import annotations

import json
from pathlib import Path

from opcode_htmx.sessions.support_bundle import log_lines


def write(state: Path, name: str, *lines: object) -> None:
    folder = state / "logs"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def messages(state: Path, number: int) -> list[str]:
    return [json.loads(line)["message"] for line in log_lines.newest(state, number)]


def test_the_last_lines_come_oldest_first_and_from_several_files(tmp_path: Path) -> None:
    assert log_lines.newest(tmp_path) == []
    write(tmp_path, "20261128T000000.000000Z.ndjson", {"message": "a"}, {"message": "b"})
    write(tmp_path, "current.ndjson", {"message": "c"}, {"message": "d"})
    assert messages(tmp_path, 3) == ["b", "c", "d"]
    assert messages(tmp_path, 9) == ["a", "b", "c", "d"]


def test_what_is_no_line_of_ours_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "current.ndjson", ["a list"], {"message": "m", "prompt": "secret"})
    with (tmp_path / "logs" / "current.ndjson").open("a") as file:
        file.write("plain text\n" + "[" * 100_000 + "\n")
    assert [json.loads(line) for line in log_lines.newest(tmp_path)] == [{"message": "m"}]


def test_of_an_exception_its_name_and_places_are_kept_and_not_its_text(tmp_path: Path) -> None:
    error = (
        "Traceback (most recent call last):\n"
        '  File "/app/x.py", line 7, in parse\n'
        "    raise ValueError(text)\n"
        "ValueError: my prompt\nwith a second line: of it\n"
        "opcode_htmx.lib.Problem: my prompt"
    )
    write(tmp_path, "current.ndjson", {"message": "m", "error": error})
    (line,) = log_lines.newest(tmp_path)
    kept = [part for part in json.loads(line)["error"].split("\n") if part]
    assert kept == [
        "Traceback (most recent call last):",
        '  File "/app/x.py", line 7, in parse',
        "ValueError",
        "opcode_htmx.lib.Problem",
    ]


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    write(tmp_path, "current.ndjson", *({"message": "x" * 1000} for _ in range(1500)))
    lines = log_lines.newest(tmp_path, 10_000)
    assert 900 < len(lines) < 1100
    assert all(json.loads(line) for line in lines)
