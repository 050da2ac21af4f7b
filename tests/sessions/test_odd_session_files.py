"""Which files are sessions: links to files and folders, and sessions that name no folder."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history, sessions, subagents
from tests.sessions.odd_sessions import put, spoken
from tests.support.environment import Sandbox


def test_sessions_without_a_folder_join_the_only_project_of_that_name(
    tmp_path: Path,
) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    silent = put(sandbox, "/me/my.app", cwd=False).stem
    first = put(sandbox, "/me/my.app").stem
    (only,) = sessions.projects(sandbox.config_dir)
    assert (only.id, only.path) == ("-me-my-app", "/me/my.app")
    assert set(only.session_ids) == {silent, first}
    put(sandbox, "/me/my-app")
    by_path = {each.path: each for each in sessions.projects(sandbox.config_dir)}
    assert by_path.keys() == {None, "/me/my.app", "/me/my-app"}
    assert by_path[None].session_ids == (silent,)
    assert sessions.project(sandbox.config_dir, by_path[None].id) == by_path[None]
    listed = sessions.sessions(sandbox.config_dir, "-me-my-app")
    assert {each.id: each.project_path for each in listed}[silent] is None


# Links that are not followed----------------------------------------------------------------------
def test_a_link_is_followed_one_level_and_no_further(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    real = put(sandbox, "/me/real")
    root, other = real.parent.parent, tmp_path / "other"
    other.mkdir()
    (other / real.name).write_text(spoken("/me/real", "elsewhere"))
    (tmp_path / "second").symlink_to(other)
    (root / "-chain").symlink_to(tmp_path / "second")
    (root / "-loop").symlink_to(root / "-loop")
    (root / "-one").symlink_to(root / "-two")
    (root / "-two").symlink_to(root / "-one")
    (root / "-nowhere").symlink_to(tmp_path / "nowhere")
    (root / "-file").symlink_to(real)
    (root / "-etc").symlink_to("/etc")
    (root / "bad~0123456789").symlink_to(other)
    names = ("-chain", "-loop", "-one", "-two", "-nowhere", "-file", "bad~0123456789")
    assert [each.id for each in sessions.projects(sandbox.config_dir)] == ["-me-real"]
    for name in names:
        with pytest.raises(sessions.ProjectNotFound):
            sessions.sessions(sandbox.config_dir, name)
        with pytest.raises(sessions.ProjectNotFound):
            sessions.session_file(sandbox.config_dir, name, real.stem)
    assert sessions.sessions(sandbox.config_dir, "-etc") == []


def test_a_session_file_may_be_a_link_to_such_a_file_and_to_nothing_else(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    real = put(sandbox, "/me/real")
    (tmp_path / "secret.txt").write_text(spoken("/me/real", "secret"))
    (tmp_path / "link.jsonl").symlink_to(real)
    (tmp_path / "folder.jsonl").mkdir()
    targets = (
        Path("/etc/passwd"),
        Path("/dev/zero"),
        tmp_path / "secret.txt",
        tmp_path / "link.jsonl",
        tmp_path / "folder.jsonl",
        tmp_path / "nowhere.jsonl",
    )
    links = [real.with_name(f"{uuid.uuid4()}.jsonl") for _ in (*targets, "itself")]
    for link, target in zip(links, (*targets, links[-1]), strict=True):
        link.symlink_to(target)
    assert [each.id for each in sessions.sessions(sandbox.config_dir, "-me-real")] == [real.stem]
    for link in links:
        assert history.find(sandbox.config_dir, link.stem) is None
        with pytest.raises(sessions.SessionNotFound):
            sessions.session_file(sandbox.config_dir, "-me-real", link.stem)


def test_the_file_of_a_subagent_is_never_a_link(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("{}")
    (tmp_path / "agent-a1.jsonl").symlink_to(tmp_path / "notes.jsonl")
    (tmp_path / "agent-a2.jsonl").write_text("{}")
    assert subagents.file_of(tmp_path, "a1") is None
    assert subagents.file_of(tmp_path, "a2") == tmp_path / "agent-a2.jsonl"
