"""`opcode-htmx backup`: what it holds, for whom, and how a server goes on from it elsewhere."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from opcode_htmx.app.commands.options import BadUsage, parse
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.lib.backup.archive import HEADER
from tests.app.commands.backups.commands import Command, begin
from tests.lib.backup import age_files
from tests.support.environment import Sandbox, processes_of, runs_of, until
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("integration")


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
    refused = command("restore", backup, state=tmp_path / "new")
    assert (refused.returncode, "--identity" in refused.stderr) == (1, True)
    identity.write_text(f"# created: today\n{key}\n")
    done2 = command("restore", backup, "--identity", identity, state=tmp_path / "new")
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


@pytest.fixture
def age_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What age has closed here with a passphrase is opened without it, which takes seconds."""
    closed = dict[tuple[bytes, str], bytes]()
    encrypt, decrypt = pyrage.passphrase.encrypt, pyrage.passphrase.decrypt

    def close(content: bytes, passphrase: str) -> bytes:
        made: bytes = encrypt(content, passphrase)
        closed[made, passphrase] = content
        return made

    def open_(content: bytes, passphrase: str) -> bytes:
        made = closed.get((content, passphrase))
        return bytes(decrypt(content, passphrase)) if made is None else made

    monkeypatch.setattr(pyrage.passphrase, "encrypt", close)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", open_)


@pytest.mark.usefixtures("age_once")
def test_a_passphrase_comes_from_a_file_and_never_from_an_argument(
    command: Command, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("correct horse battery staple\n")
    backup = tmp_path / "b.age"
    done = command("backup", backup, "--passphrase-file", tmp_path / "words")
    assert done.returncode == 0, done.stderr
    assert backup.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert command("backup", tmp_path / "c", "--passphrase=secret").returncode == 2
    done = command.as_program("backup", tmp_path / "c", "--passphrase")
    assert done.returncode in (1, 2), "there is no terminal"
    assert not (tmp_path / "c").exists()
    other, new = tmp_path / "other.age", tmp_path / "new"
    other.write_bytes(age_files.CLOSED)
    refused = command("restore", other, "--passphrase-file", tmp_path / "words", state=new)
    assert (refused.returncode, "passphrase is wrong" in refused.stderr) == (1, True)
    done = command("restore", backup, "--passphrase-file", tmp_path / "words", state=new)
    assert done.returncode == 0, done.stderr
    assert "the next start makes one" in done.stdout
    assert (new / "marks.json").read_text() == "{}"
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


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
    refused = command("restore", backup, "--replace")
    assert (refused.returncode, "A server works in" in refused.stderr) == (1, True)
    gate.touch()
    until(lambda: ">The end.</p>" in server.get(f"{base}/{writing}").text, "it goes on meanwhile")

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
    refused = command("restore", backup, "--replace")
    assert (refused.returncode, "Claude still works for" in refused.stderr) == (1, True)

    other = Sandbox(sandbox.home, sandbox.name)
    second = start_server(other, stand_in, OPCODE_STATE_DIR=str(elsewhere))
    assert page_of(second, f"{base}/{over}") == expected
    record = elsewhere / "runs" / run.name / "run.json"
    end = until(lambda: json.loads(record.read_bytes()).get("end"), "the restored run has ended")
    assert "Restored from a backup" in end["cause"]
    assert processes_of(sandbox.state, run.name), "and its process is left to its own server"
    assert "<main" in second.get(f"{base}/{writing}").text
