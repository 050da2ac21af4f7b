"""`opcode-htmx backup` and `restore`: what real servers have left goes on elsewhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
import requests

from opcode_htmx.app import cli, state_folders
from opcode_htmx.app.commands.options import BadUsage, parse
from opcode_htmx.app.operation import backups
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config import state_format, state_use
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.lib.backup.archive import HEADER
from opcode_htmx.lib.backup.unpack import BadBackup
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.state_dir import StateError
from tests.support.environment import PASSWORD, USER, Sandbox, Server, processes_of, runs_of, until

pytestmark = pytest.mark.usefixtures("integration")

FOLDERS = state_folders.of(FEATURES)


class Command:
    """The command line, over a state folder."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(
        self, *arguments: str | Path, state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What a command does and says, in this process: the start of one costs ten times that."""
        words, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(os, "environ", self._variables(state))
            status = cli.main(words)
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def as_program(
        self, *arguments: str | Path, state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same as a program of its own, as a person starts it."""
        return subprocess.run(
            [sys.executable, "-m", "opcode_htmx", *map(str, arguments)],
            env=self._variables(state),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _variables(self, state: Path | None) -> dict[str, str]:
        return {
            **self._sandbox.environment(),
            "OPCODE_STATE_DIR": str(state or self._sandbox.state),
            "OPCODE_PROJECT_ROOTS": str(self._sandbox.project),
        }


@pytest.fixture
def command(sandbox: Sandbox) -> Command:
    return Command(sandbox)


@pytest.fixture
def state(sandbox: Sandbox) -> Path:
    """A state folder as a server leaves it, in small."""
    state = sandbox.state
    for name, content in (
        ("runs/one/run.json", "{}"),
        ("marks.json", "{}"),
        ("password", "very-secret-words\n"),
        ("secret_key", "k" * 32),
        ("logins/a.json", "{}"),
        ("index/sessions.sqlite", ""),
        ("templates", "made anew"),
        ("format.json", json.dumps({"version": 1, "format": 2, "program": "0.2.0"})),
        ("nobody-knows-it", "x"),
    ):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(content)
    state.chmod(0o700)
    return state


def names_in(file: Path) -> set[str]:
    with tarfile.open(file) as tar:
        return {each.name for each in tar if each.isfile()} - {HEADER, "manifest.ndjson"}


def test_secrets_and_the_index_are_in_a_backup_only_if_they_are_asked_for(
    command: Command, state: Path, tmp_path: Path
) -> None:
    plain, full = tmp_path / "plain.tar.gz", tmp_path / "full.tar.gz"
    done = command("backup", plain)
    assert done.returncode == 0, done.stderr
    assert names_in(plain) == {"runs/one/run.json", "marks.json", "format.json"}
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert "Without the password, logins and keys." in done.stderr
    done = command("backup", full, "--secrets", "--index")
    assert names_in(full) - names_in(plain) == {
        "password",
        "secret_key",
        "logins/a.json",
        "index/sessions.sqlite",
    }
    assert "not encrypted: keep it to yourself" in done.stderr
    again = command("backup", plain)
    assert (again.returncode, "exists already, and is left as it is" in again.stderr) == (1, True)


def test_a_backup_through_a_pipe_for_a_recipient(
    sandbox: Sandbox, command: Command, state: Path, tmp_path: Path
) -> None:
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "recipients").write_text(f"# my phone\n{key.to_public()}\n")
    variables = {**sandbox.environment(), "OPCODE_STATE_DIR": str(state)}
    arguments = ["backup", "-", "--secrets", "--recipients-file", str(tmp_path / "recipients")]
    done = subprocess.run(
        [sys.executable, "-m", "opcode_htmx", *arguments],
        env=variables,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(b"age-encryption.org/v1\n")
    assert b"very-secret" not in done.stdout
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(done.stdout, [key]))) as tar:
        assert "password" in tar.getnames()
    backup, identity = tmp_path / "b.age", tmp_path / "key.txt"
    backup.write_bytes(done.stdout)
    refused = command.as_program("restore", backup, state=tmp_path / "new")
    assert (refused.returncode, "--identity" in refused.stderr) == (1, True)
    identity.write_text(f"# created: today\n{key}\n")
    done2 = command.as_program("restore", backup, "--identity", identity, state=tmp_path / "new")
    assert done2.returncode == 0, done2.stderr
    assert (tmp_path / "new" / "password").read_text() == "very-secret-words\n"


def test_a_file_without_a_recipient_makes_no_backup_that_is_not_encrypted(
    command: Command, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipients").write_text("# my phone\n\n")
    backup = tmp_path / "b.age"
    done = command("backup", backup, "--secrets", "--recipients-file", tmp_path / "recipients")
    assert (done.returncode, "No public key" in done.stderr) == (2, True)
    os.truncate(tmp_path / "recipients", 200_000_000)
    done = command("backup", backup, "--secrets", "--recipients-file", tmp_path / "recipients")
    assert (done.returncode, "is too large for a file with keys" in done.stderr) == (2, True)
    assert not backup.exists()


def test_a_passphrase_comes_from_a_file_and_never_from_an_argument(
    command: Command, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("correct horse battery staple\n")
    backup = tmp_path / "b.age"
    done = command("backup", backup, "--passphrase-file", tmp_path / "words")
    assert done.returncode == 0, done.stderr
    assert command("backup", tmp_path / "c", "--passphrase=secret").returncode == 2
    done = command.as_program("backup", tmp_path / "c", "--passphrase")
    assert done.returncode in (1, 2), "there is no terminal"
    assert not (tmp_path / "c").exists()
    (tmp_path / "wrong").write_text("incorrect\n")
    new = tmp_path / "new"
    refused = command("restore", backup, "--passphrase-file", tmp_path / "wrong", state=new)
    assert (refused.returncode, "passphrase is wrong" in refused.stderr) == (1, True)
    done = command("restore", backup, "--passphrase-file", tmp_path / "words", state=new)
    assert done.returncode == 0, done.stderr
    assert "the next start makes one" in done.stdout
    assert (new / "marks.json").read_text() == "{}"
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


def backup_of(state: Path) -> io.BytesIO:
    out = io.BytesIO()
    backups.make(state, FOLDERS, out)
    out.seek(0)
    return out


def test_a_folder_that_holds_something_is_replaced_only_on_request_and_kept(
    command: Command, state: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "b"
    assert command("backup", backup).returncode == 0
    (state / "marks.json").write_text('{"newer": 1}')
    refused = command("restore", backup)
    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
    done = command("restore", backup, "--replace")
    assert done.returncode == 0, done.stderr
    assert (state / "marks.json").read_text() == "{}"
    assert (state / "password").read_text() == "very-secret-words\n", "it is kept"
    assert (state / "logins" / "a.json").exists()
    (kept,) = state.parent.glob("state.before-*")
    assert str(kept) in done.stdout
    assert (kept / "marks.json").read_text() == '{"newer": 1}'


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_restore_that_is_killed_leaves_a_whole_folder_or_is_told_by_the_next_start(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool, number: int
) -> None:
    """At each of its steps with names of folders."""

    class Killed(BaseException):
        pass

    calls = 0
    steps = {"rename": Path.rename, "exchange": atomic_files.exchange}

    def killed_at(name: str) -> Callable[..., object]:
        def call(*arguments: Any, **named: Any) -> object:
            nonlocal calls
            if name == "exchange" and not can_exchange:
                return False
            calls += 1
            if calls == number:
                raise Killed
            return steps[name](*arguments, **named)

        return call

    backup = backup_of(state)
    (state / "marks.json").write_text('{"newer": 1}')
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed_at("rename"))
        patch.setattr(atomic_files, "exchange", killed_at("exchange"))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans up nothing
        with contextlib.suppress(Killed):
            backups.restore(backup, state, FOLDERS, replace=True)
    contents = {path.parent: path.read_text() for path in state.parent.glob("*state*/marks.json")}
    if calls:
        assert '{"newer": 1}' in contents.values(), "what was there is kept"
        assert "{}" in contents.values(), "what was restored is whole"
    if state.exists():
        state_use.check_restored(state)
        assert contents[state] in ("{}", '{"newer": 1}')
        backup.seek(0)
        done = backups.restore(backup, state, FOLDERS, replace=True)
        assert [*done.left] == state_use.left_by_restores(state)
    else:
        assert not can_exchange
        with pytest.raises(StateError, match="A restore was ended before its last step") as refusal:
            state_use.check_restored(state)
        (place,) = state_use.left_by_restores(state)
        assert str(place) in str(refusal.value)
        assert contents[place] == "{}"


def test_no_start_offers_what_a_restore_has_not_completed(tmp_path: Path) -> None:
    """The person has removed the folder since, to begin with a new one."""
    folder = tmp_path / "state"
    begun = state_use.place_to_restore(folder)
    begun.mkdir()
    state_use.check_restored(folder)
    assert state_use.left_by_restores(folder) == [begun]


def test_a_backup_of_a_newer_state_folder_is_refused_in_one_sentence(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(state_format, "FORMAT", 3)
        newer.setattr(backups, "__version__", "0.9.0")
        backup = backup_of(state)
    with pytest.raises(BadBackup) as refused:
        backups.restore(backup, tmp_path / "new", FOLDERS)
    assert re.fullmatch(
        r"This backup was made by opcode-htmx 0\.9\.0, and this is the older \S+, which cannot "
        r"read it; install 0\.9\.0 or newer to restore it\.",
        str(refused.value),
    )
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "in_use.lock"]


def test_a_folder_above_that_cannot_be_written_is_named(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "new").mkdir(mode=0o700)
    monkeypatch.setattr(backups, "ensure_state_dir", lambda path: path)
    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere
    with pytest.raises(StateError, match=f"make {tmp_path} writable"):
        backups.restore(backup_of(state), tmp_path / "new", FOLDERS)


def test_nothing_is_left_of_a_restore_that_was_refused(state: Path, tmp_path: Path) -> None:
    cut = io.BytesIO(backup_of(state).getvalue()[:-100])
    before = sorted(path.name for path in state.rglob("*"))
    with pytest.raises(BadBackup):
        backups.restore(cut, state, FOLDERS, replace=True)
    assert {path.name for path in state.rglob("*")} - {"in_use.lock"} == set(before)
    assert [path.name for path in state.parent.glob("*state*")] == ["state"]


def test_options_are_read_in_both_forms_and_unknown_ones_are_refused() -> None:
    found = parse(["a", "--x", "--y=1", "--y", "2", "--", "--z"], ["--x"], ["--y"])
    assert (found.operands, found.values) == (["a", "--z"], {"--y": ["1", "2"]})
    assert found.switches == {"--x"}
    for wrong in (["--z"], ["--x=1"], ["--y"]):
        with pytest.raises(BadUsage):
            parse(wrong, ["--x"], ["--y"])
    with pytest.raises(BadUsage):
        found.one("--y")


# --- with servers ---------------------------------------------------------------------------


def page_of(server: Server, address: str) -> str:
    """What a session's page says, without what changes with each request and server."""
    main = server.get(address).text.partition("<main")[2].partition("</main>")[0]
    main = re.sub(r'name="(csrf_token|prompt_id)" value="[^"]*"', "", main)
    main = re.sub(r"<time[^>]*>[^<]*</time>", "", main)
    main = re.sub(r"panel=[0-9a-f]+", "", main)  # a digest, of times as well
    return re.sub(r'"[0-9]{10}\.[0-9]+"', "", main)


def begin(server: Server, prompt: object) -> str:
    """Start a session; its id."""
    body = {"prompt": json.dumps(prompt), "project_path": str(server.sandbox.project)}
    started = requests.post(
        f"{server.url}/api/sessions/execute", json=body, auth=(USER, PASSWORD), timeout=20
    )
    assert started.status_code == 202, started.text
    data = started.json()["data"]
    return str(data.get("session_id") or data["sessionId"])


def test_a_server_goes_on_elsewhere_from_a_backup_that_was_made_while_a_run_wrote(
    start_server: Callable[..., Server],
    sandbox: Sandbox,
    stand_in: Path,
    command: Command,
    tmp_path: Path,
) -> None:
    server = start_server(sandbox, stand_in)
    over = begin(server, [["text", "A finished answer."], ["exit after turn", 0]])
    gate = tmp_path / "gate"
    writing = begin(server, [["lines", 2000], ["wait", str(gate)], ["text", "The end."]])
    base = f"/projects/{project_id(sandbox.project)}/sessions"
    (finished,) = runs_of(sandbox.state, over)
    until(lambda: json.loads((finished / "run.json").read_bytes())["end"], "it has ended")
    (run,) = runs_of(sandbox.state, writing)
    until(lambda: (run / "out.ndjson").stat().st_size > 50_000, "it writes")

    backup, elsewhere = tmp_path / "b.tar.gz", tmp_path / "elsewhere" / "state"
    done = command.as_program("backup", backup, "--secrets")
    assert done.returncode == 0, done.stderr
    refused = command.as_program("restore", backup, "--replace")
    assert (refused.returncode, "A server works in" in refused.stderr) == (1, True)
    gate.touch()
    until(lambda: "The end." in server.get(f"{base}/{writing}").text, "it goes on meanwhile")

    elsewhere.parent.mkdir()
    done = command.as_program("restore", backup, state=elsewhere)
    assert done.returncode == 0, done.stderr
    cut = (elsewhere / "runs" / run.name / "out.ndjson").read_bytes()
    assert len(cut) > 50_000
    assert cut.endswith(b"\n")
    assert (run / "out.ndjson").read_bytes().startswith(cut)
    expected = page_of(server, f"{base}/{over}")
    assert "A finished answer." in expected
    server.stop()
    refused = command.as_program("restore", backup, "--replace")
    assert (refused.returncode, "Claude still works for" in refused.stderr) == (1, True)

    other = Sandbox(sandbox.home, sandbox.name)
    second = start_server(other, stand_in, OPCODE_STATE_DIR=str(elsewhere))
    assert page_of(second, f"{base}/{over}") == expected
    record = elsewhere / "runs" / run.name / "run.json"
    end = until(lambda: json.loads(record.read_bytes()).get("end"), "the restored run has ended")
    assert "Restored from a backup" in end["cause"]
    assert processes_of(sandbox.state, run.name), "and its process is left to its own server"
    assert "<main" in second.get(f"{base}/{writing}").text
