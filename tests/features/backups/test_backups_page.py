"""A backup is made beside the server, downloaded under its name, and removed."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from opcode_htmx.features.backups.service import KEPT, Backups
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.identity import Identity
from opcode_htmx.web.auth.visitor import Visitor
from tests.support.environment import Sandbox, make_executable, until

pytestmark = pytest.mark.usefixtures("integration")

PASSPHRASE = "correct horse battery"
NAME = "opcode-20261129-140200.tar.gz"


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    return shared_app


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Iterator[Sandbox]:
    """One in which there is no backup."""
    yield shared_home
    shutil.rmtree(shared_home.state / "backups", ignore_errors=True)


def made(client: FlaskClient, sandbox: Sandbox) -> str:
    """The name of the backup, once it is complete."""
    folder = sandbox.state / "backups"
    found = until(
        lambda: [each.name for each in folder.glob("opcode-*") if each.suffix != ".part"],
        "it is made",
        sleep=lambda: gevent.sleep(0.05),
    )
    return found[0]


def test_a_backup_is_made_and_downloaded_and_deleted(client: FlaskClient, sandbox: Sandbox) -> None:
    (sandbox.state / "flags.json").write_text('{"version": 1}')
    answer = client.post("/backup")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/backup")
    page = client.get("/backup").text
    assert "is being made" in page
    assert '<div id="backup-now" data-fresh="often">' in page
    assert client.post("/backup").status_code == 409
    name = made(client, sandbox)
    page = client.get("/backup").text
    assert f"/backup/{name}" in page
    # What lacks the attribute would not take the place of the part that waits.
    assert '<div id="backup-now" data-fresh>' in page
    assert "Without the password, logins and keys" in page
    with client.get(f"/backup/{name}") as file:
        assert file.headers["Content-Disposition"] == f"attachment; filename={name}"
        content = file.data
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    assert "flags.json" in names
    assert not {"password", "secret_key", "logins", "backups"} & set(names)
    assert client.post(f"/backup/{name}/delete").status_code == 303
    assert client.get(f"/backup/{name}").status_code == 409


COMMAND = """#!/bin/sh
[ "$*" = "-m opcode_htmx backup $4 --secrets --passphrase-file $7" ] && cat "$7" > "$4"
"""
"""In place of Python, whose command encrypts (see test_backup.py): it keeps the passphrase."""


def test_with_secrets_the_passphrase_goes_to_the_command_and_nowhere_else(
    client: FlaskClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(make_executable(tmp_path / "python", COMMAND)))
    form = {"passphrase": PASSPHRASE, "again": PASSPHRASE, "secrets": "1"}
    assert client.post("/backup", data=form).status_code == 303
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert PASSPHRASE.encode() not in path.read_bytes()
        except OSError:
            continue
    name = made(client, sandbox)
    assert name.endswith(".age")
    with client.get(f"/backup/{name}") as file:
        assert file.data == f"{PASSPHRASE}\n".encode()
    client.post(f"/backup/{name}/delete")
    for path in sandbox.state.rglob("*"):
        assert not path.is_file() or PASSPHRASE.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"secrets": "1"}, "needs a passphrase"),
        ({"passphrase": PASSPHRASE, "again": "another one"}, "not the same"),
        ({"passphrase": "short", "again": "short"}, "8 to 200 characters"),
        ({"passphrase": "two\nlines ", "again": "two\nlines "}, "one line"),
    ],
)
def test_a_form_that_would_make_no_safe_backup_is_refused(
    client: FlaskClient, sandbox: Sandbox, form: dict[str, str], sentence: str
) -> None:
    answer = client.post("/backup", data=form)
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert not list(sandbox.state.glob("backups/*"))


@pytest.mark.parametrize("name", ["password", "..%2fpassword", "opcode-1.tar.gz", "lock", "said"])
def test_no_other_file_is_given_away(client: FlaskClient, sandbox: Sandbox, name: str) -> None:
    folder = sandbox.state / "backups"
    folder.mkdir()
    for each in ("password", "opcode-1.tar.gz", "lock", "said"):
        (folder / each).write_text("x")
    (folder / NAME).symlink_to(sandbox.state / "secret_key")
    for path in (f"/backup/{name}", f"/backup/{NAME}"):
        assert client.get(path).status_code in (404, 409)
        assert client.post(f"{path}/delete").status_code in (404, 405, 409)
    assert (folder / "password").exists()


def test_only_the_owner_makes_and_gets_backups(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def somebody_else() -> None:
        g.visitor = Visitor("basic", Identity("guest", roles=("viewer",)))

    monkeypatch.setitem(
        app.before_request_funcs, None, [*app.before_request_funcs[None], somebody_else]
    )
    assert client.get("/backup").status_code == 403
    assert client.get(f"/backup/{NAME}").status_code == 403
    assert client.post("/backup").status_code == 403
    assert client.post(f"/backup/{NAME}/delete").status_code == 403


def test_the_newest_are_kept_for_a_week(tmp_path: Path) -> None:
    backups = Backups(tmp_path, tmp_path, tmp_path)
    for day in range(1, 7):
        (tmp_path / f"opcode-2026110{day}-120000.tar.gz").write_text("x")
    (tmp_path / "said").write_text("x")
    backups.collect()
    assert [each.name[7:15] for each in backups.all()] == ["20261106", "20261105", "20261104"]
    assert len(backups.all()) == KEPT
    assert (tmp_path / "said").exists()


def test_what_a_killed_process_has_left_does_not_count(tmp_path: Path) -> None:
    backups = Backups(tmp_path, tmp_path, tmp_path)
    (tmp_path / f"{NAME}.part").write_text("half")
    assert backups.all() == []
    assert not backups.is_making()
    lock = file_locks.take(tmp_path / "lock")
    assert lock is not None
    assert backups.is_making()
