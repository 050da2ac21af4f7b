"""A session begins in a copy with one tap, and its work is merged or thrown away, with an undo."""

from __future__ import annotations

from tests.support.workshop import Workshop


def test_a_session_in_a_copy_is_merged_and_the_copy_goes(workshop: Workshop) -> None:
    (workshop.top / ".env").write_text("KEY=1\n")
    page = workshop.client.get("/new", query_string={"folder": str(workshop.top)}).text
    assert "In a copy of its own" in page
    session = workshop.start("Grow the apple tree\nand more")
    copy = workshop.copy_of(session)
    assert copy == workshop.top / ".claude" / "worktrees" / "grow-the-apple-tree"
    assert (copy / ".env").read_text() == "KEY=1\n"
    assert workshop.git("status", "--short") == ""
    run = workshop.context.runs.of_session(session)[-1]
    assert run.record.project_path == str(copy)
    assert "grow-the-apple-tree" in workshop.client.get("/runs").text

    workshop.rest(session)
    address = workshop.address(session)
    (copy / "apple").write_text("1\n2\n3\n4\n")
    (copy / "pear").write_text("green\n")
    shown = workshop.client.get(address).text
    assert "2 uncommitted files" in shown
    refused = workshop.post(f"{address}/merge", 409, way="merge", message="Grow")
    assert "2 files are not committed" in refused.text
    done = workshop.post(f"{address}/merge", way="squash", message="Grow", commit="1", remove="1")
    assert done.headers["Location"] == "/worktrees"
    assert (workshop.top / "pear").read_text() == "green\n"
    assert workshop.git("log", "-1", "--format=%s").strip() == "Grow"
    assert workshop.git("ls-files").split() == [".gitignore", "apple", "pear"]
    assert not copy.exists()
    assert workshop.git("branch", "--list").split() == ["*", "main"]
    assert "Bring back" in workshop.client.get("/worktrees").text
