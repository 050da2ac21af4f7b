"""The names of Claude's folders, and the project folder of a session."""

from __future__ import annotations

import json
import subprocess
import unicodedata
import uuid
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.claude.files import folder_names
from opcode_htmx.engines.claude.files.folder_names import OwnFolder, claude_folder
from tests.support.environment import Sandbox

LONG = "/" + "/".join(f"level{number:02d}-abcdefghij" for number in range(12))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/shop", "-home-me-shop"),
        ("/home/me/my.app", "-home-me-my-app"),
        ("/home/me/my app_2", "-home-me-my-app-2"),
        ("/home/me/新聞", "-home-me---"),
        ("/home/me/🚀app", "-home-me---app"),
        ("/home/me/caf\u00e9", "-home-me-caf-"),
        ("/home/me/cafe\u0301", "-home-me-cafe-"),
        ("/home/me/a~b", "-home-me-a-b"),
        ("/" + "a" * 199, "-" + "a" * 199),
        ("/" + "a" * 200, "-" + "a" * 199 + "-b6ymvl"),
        ("/" + "🚀" * 100, "-" * 200 + "-69ac7v"),
        (LONG, LONG[:200].replace("/", "-") + "-amkiai"),
        ("/half-a-pair-\ud83d", "-half-a-pair--"),
    ],
)
def test_a_folder_is_named_as_the_cli_names_it(path: str, name: str) -> None:
    assert claude_folder(path) == claude_folder(Path(path)) == name


def test_the_real_cli_files_odd_folders_under_these_names(sandbox: Sandbox, claude: Path) -> None:
    work = sandbox.home / "work"
    target = work / "🚀app" / "暫存 v1.2~x" / unicodedata.normalize("NFD", "café")
    target.mkdir(parents=True)
    (work / "link").symlink_to(target)
    folders = {folder: folder.resolve() for folder in (work / "link", work / LONG[1:])}
    with MessagesApi((Scene("anything", "", [Text("Done.")]),)) as api:
        for folder, real in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            session_id = str(uuid.uuid4())
            subprocess.run(
                [claude, "-p", "--session-id", session_id],
                cwd=folder,
                env={**sandbox.environment(api.url), "PWD": str(folder)},
                input=b"hello",
                capture_output=True,
                check=True,
                timeout=60,
            )
            (file,) = sandbox.config_dir.glob(f"projects/*/{session_id}.jsonl")
            assert file.parent.name == claude_folder(real), folder
            noted = [json.loads(line).get("cwd") for line in file.read_text().splitlines()]
            assert set(noted) - {None} == {str(real)}


def own_folder(claude_folder: str, *cwds: object) -> str | None:
    own = OwnFolder(claude_folder)
    for cwd in cwds:
        own.see({"cwd": cwd})
    return own.path


@pytest.mark.parametrize(
    ("cwds", "path"),
    [
        (("/me/my.app", "/me/my-app"), "/me/my.app"),
        (("/me/my-app", "/me/my.app"), "/me/my-app"),
        (("/me", "/me/my.app/src", "/me/my.app"), "/me/my.app"),
        (("/copied/from/here", "/and/here"), "/copied/from/here"),
        ((None, 7, "", ["/me/my.app"], "src", "../etc", "~"), None),
        (("C:\\Users\\me",), "C:\\Users\\me"),
        (("/cut-\ud83d",), "/cut-?"),
    ],
)
def test_session_belongs_to_the_matching_folder_or_its_first_one(
    cwds: tuple[object, ...], path: str | None
) -> None:
    assert own_folder("-me-my-app", *cwds) == path


def test_project_id_is_parsed_and_other_names_are_refused() -> None:
    shared = folder_names.shared_project_id("-me-my-app", "/me/my.app")
    assert folder_names.split(shared) == ("-me-my-app", folder_names.digest("/me/my.app"))
    assert folder_names.split("-me-my-app") == ("-me-my-app", "")
    for nothing in (
        "",
        ".",
        "..",
        "..~0123456789",
        "a/b",
        "a~",
        "a~012345678x",
        "a~0123456789~",
        "é",
    ):
        assert folder_names.split(nothing) == ("", "")
    assert folder_names.split("a" * 256) == ("", "")
